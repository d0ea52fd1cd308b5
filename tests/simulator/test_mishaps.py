import asyncio
import json
from collections import Counter
from contextlib import nullcontext

import aiohttp
import pytest

from mjtask_async.simulator import Fault, Step
from mjtask_async.simulator.mishaps import MISHAPS

from .conftest import Caller, Reply, calling

CUT = (aiohttp.ServerDisconnectedError, aiohttp.ClientOSError, aiohttp.ClientPayloadError)
RESETS = {name for name in MISHAPS if name.startswith("reset")}
CLOSES = {name for name in MISHAPS if name.startswith("closed")} | {"truncated"}
FETCH = "task/{id}/fetch"
LIST = "task/list-by-condition"


async def listed(caller: Caller, name: str, *ids: str) -> Reply:
    caller.sim.script(LIST, MISHAPS[name])
    return await caller.find(*ids)


@pytest.mark.parametrize("name", sorted(RESETS | CLOSES))
async def test_a_connection_breaks(name: str) -> None:
    async with calling() as caller:
        caller.sim.plant("17", [Step(at=0, status="SUCCESS")])
        with pytest.raises(CUT):
            await listed(caller, name, "17")
        assert (await caller.find("17")).status == 200


@pytest.mark.parametrize("name", sorted(RESETS | CLOSES))
async def test_a_reset_is_no_close(name: str) -> None:
    async with calling() as caller:
        caller.sim.script(FETCH, MISHAPS[name])
        port = int(caller.sim.base_url.rsplit(":", 1)[1])
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        head = f"GET /mj/task/1/fetch HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {caller.sim.api_key}"
        writer.write(f"{head}\r\n\r\n".encode())
        with pytest.raises(ConnectionResetError) if name in RESETS else nullcontext():
            await reader.read()
        writer.close()


@pytest.mark.parametrize(
    ("name", "status"),
    [
        ("empty 200", 200),
        ("204", 204),
        ("a page, 200", 200),
        ("a page, 502", 502),
        ("a page, 504", 504),
        ("429", 429),
        ("429 with words", 429),
        ("E3", 500),
        ("503 E1", 503),
        ("503 E8", 503),
        ("code 5", 400),
        ("database hiccup", 401),
        ("no tasks", 200),
        ("task not found", 400),
    ],
)
async def test_an_answer_takes_the_place_of_the_servers_own(name: str, status: int) -> None:
    async with calling() as caller:
        reply = await listed(caller, name, "17")

        assert reply.status == status
        assert (await caller.find("17")).status == 200


@pytest.mark.parametrize(
    ("name", "changed"),
    [
        ("partial items", lambda row: set(row) == {"id", "status", "progress", "imageUrl", "failReason"}),
        ("unknown fields", lambda row: row["relaxed"] is True),
        ("ids as numbers", lambda row: row["id"] == 17),
        ("nulls", lambda row: {name for name in row if row[name] is not None} == {"id"}),
        ("nulls but the status", lambda row: row["prompt"] is None and row["status"] == ""),
    ],
)  # fmt: skip
async def test_tasks_are_altered_in_lists_and_by_themselves(name: str, changed: object) -> None:
    assert callable(changed)
    async with calling() as caller:
        caller.sim.plant("17", [Step(at=0, status="SUCCESS")])
        (row,) = json.loads((await listed(caller, name, "17")).body)
        caller.sim.script(FETCH, MISHAPS[name], times=2)
        single = json.loads((await caller.fetch("17")).body)

        assert changed(row)
        assert changed(single)
        assert (await caller.fetch("18")).status == 400  # no task: left as it is


async def test_a_text_id_stays_a_text() -> None:
    async with calling() as caller:
        caller.sim.plant("task_x", [Step(at=0, status="SUCCESS")])
        (row,) = json.loads((await listed(caller, "ids as numbers", "task_x")).body)

        assert row["id"] == "task_x"


async def test_one_task_comes_as_a_bare_object_and_several_do_not() -> None:
    async with calling() as caller:
        for task_id in ("17", "18"):
            caller.sim.plant(task_id, [Step(at=0, status="SUCCESS")])
        one = json.loads((await listed(caller, "a bare object", "17")).body)
        two = json.loads((await listed(caller, "a bare object", "17", "18")).body)

        assert one["id"] == "17"
        assert len(two) == 2


@pytest.mark.parametrize("profile", ["novicezk", "one-hub"])
async def test_half_of_the_json_comes_as_a_whole_answer(profile: str) -> None:
    async with calling(profile=profile) as caller:
        for number in range(10):
            caller.sim.plant(f"17{number}", [Step(at=0, status="SUCCESS")])
        ids = [f"17{number}" for number in range(10)]
        whole = (await caller.find(*ids)).body
        half = (await listed(caller, "half the JSON", *ids)).body

        assert len(half) == len(whole) // 2
        with pytest.raises(ValueError, match=r"Unterminated|Expecting"):
            json.loads(half)


async def test_a_second_value_follows_the_first() -> None:
    async with calling() as caller:
        body = (await listed(caller, "two values", "17")).text

        assert body.startswith('[]{"code":5')


@pytest.mark.parametrize("name", ["a bare object", "nulls"])
async def test_what_is_no_json_is_not_altered(name: str) -> None:
    async with calling(profile="novicezk") as caller:
        caller.sim.script(FETCH, MISHAPS[name])

        assert (await caller.fetch("1")).body == b""


async def test_chance_is_drawn_from_the_seed_and_ends_when_it_is_told_to() -> None:
    async def statuses(seed: int) -> list[int]:
        async with calling(seed=seed) as caller:
            caller.sim.chance(LIST, Fault.answer(502), 0.3)
            caller.sim.chance("*", Fault.answer(429), 0.2)
            drawn = [(await caller.find("1")).status for _ in range(200)]
            caller.sim.chance(LIST, Fault.answer(502), 0)
            caller.sim.chance("*", Fault.answer(429), 0)
            assert {(await caller.find("1")).status for _ in range(50)} == {200}
            return drawn

    first = await statuses(1)

    assert first == await statuses(1)
    assert first != await statuses(2)
    assert 40 <= Counter(first)[502] <= 80
    assert 25 <= Counter(first)[429] <= 55


async def test_what_is_no_chance_is_refused() -> None:
    async with calling() as caller:
        with pytest.raises(ValueError, match="odds"):
            caller.sim.chance(LIST, Fault.answer(502), 1.5)
        with pytest.raises(ValueError, match="unknown endpoint"):
            caller.sim.chance("nowhere", Fault.answer(502), 0.5)


async def test_chances_that_leave_no_room_are_refused_and_change_nothing() -> None:
    async with calling() as caller:
        caller.sim.chance(LIST, Fault.answer(502), 0.7)
        caller.sim.chance("attachments", Fault.answer(502), 0.9)
        caller.sim.chance("*", Fault.answer(429), 0.3)
        with pytest.raises(ValueError, match=r"the odds of task/list-by-condition add up to 1\.1"):
            caller.sim.chance(LIST, Fault.answer(503), 0.1)
        with pytest.raises(ValueError, match="add up to"):
            caller.sim.chance("*", Fault.answer(429), 0.4)
        caller.sim.chance(LIST, Fault.answer(502), 0.2)
        caller.sim.chance("*", Fault.answer(429), 0.8)

        assert {(await caller.find("1")).status for _ in range(30)} == {429, 502}


async def test_all_mishaps_at_equal_odds_fill_a_request() -> None:
    async with calling() as caller:
        for fault in MISHAPS.values():
            caller.sim.chance("*", fault, 1 / len(MISHAPS))


async def test_only_a_relay_sleeps_hides_and_charges() -> None:
    async with calling(profile="novicezk") as caller:
        with pytest.raises(ValueError, match="no relay"):
            caller.sim.stop_refreshing()
        with pytest.raises(ValueError, match="to everybody"):
            caller.sim.hide("1")
        with pytest.raises(ValueError, match="one key"):
            caller.sim.add_key("sk-other")
        with pytest.raises(ValueError, match="no quotas"):
            caller.sim.set_quota(0)
        with pytest.raises(ValueError, match="no quotas"):
            caller.sim.set_account_quota(0)
