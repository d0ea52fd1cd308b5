import asyncio
import io
import json

import aiohttp
import pytest

from mjtask_async.simulator import Fault, Step
from mjtask_async.simulator.faults import Script

from .conftest import Caller, calling

IMAGINE = "submit/imagine"
FETCH = "task/{id}/fetch"
CUT = (aiohttp.ServerDisconnectedError, aiohttp.ClientOSError)
CLOSING = {
    "before reading": (Fault.close_before_reading(), 0),
    "after reading": (Fault.close_after_reading(), 0),
    "after accepting": (Fault.accept_and_close(), 1),
}


@pytest.mark.parametrize("name", CLOSING)
async def test_a_connection_is_closed_where_the_script_says(name: str) -> None:
    fault, accepted = CLOSING[name]
    async with calling() as caller:
        caller.sim.script(IMAGINE, fault)
        with pytest.raises(CUT):
            await caller.imagine()
        assert len(caller.sim.accepted) == accepted
        [record] = caller.sim.requests
        assert (record.status, record.finished) == (None, 0.0)
        assert (await caller.imagine()).status == 200


async def test_a_big_body_need_not_be_read() -> None:
    async with calling() as caller:
        caller.sim.script(IMAGINE, Fault.close_before_reading())
        with pytest.raises(CUT):
            await caller.post("/mj/submit/imagine", io.BytesIO(b"x" * 20_000_000))
        assert not caller.sim.accepted


async def test_another_answer_may_take_the_place_of_the_servers_own() -> None:
    async with calling() as caller:
        headers = {"Content-Type": "text/html", "X-Odd": "1"}
        caller.sim.script(IMAGINE, Fault.accept_and_answer(502, "<html>", headers))
        reply = await caller.imagine()
        assert (reply.status, reply.body, reply.headers["X-Odd"]) == (502, b"<html>", "1")
        assert len(caller.sim.accepted) == 1


async def test_an_answer_may_come_without_the_server() -> None:
    async with calling() as caller:
        caller.sim.script(IMAGINE, Fault.answer(429))
        reply = await caller.imagine()
        assert (reply.status, reply.body) == (429, b"")
        assert "Content-Type" not in reply.headers
        assert not caller.sim.accepted


async def test_an_answer_may_be_cut_off() -> None:
    async with calling() as caller:
        caller.sim.script(IMAGINE, Fault.truncate(0.5))
        with pytest.raises(aiohttp.ClientPayloadError):
            await caller.imagine()
        assert len(caller.sim.accepted) == 1
        assert caller.sim.requests[0].status == 200


async def test_a_picture_may_be_cut_off() -> None:
    async with calling(profile="novicezk") as caller:
        caller.sim.plant("17", [Step(at=0, status="SUCCESS")])
        link = json.loads((await caller.fetch("17")).body)["imageUrl"]
        caller.sim.script("attachments", Fault.truncate(0.9))
        with pytest.raises(aiohttp.ClientPayloadError):
            await caller.get(link)


async def test_a_delay_is_measured_on_the_simulators_clock() -> None:
    async with calling(speed=10.0) as caller:
        caller.sim.script(FETCH, Fault.slow(20.0))
        started = asyncio.get_running_loop().time()
        await caller.fetch("1")
        assert asyncio.get_running_loop().time() - started == pytest.approx(2.0)
        [record] = caller.sim.requests
        assert record.finished == pytest.approx(20.0)


async def test_a_task_is_accepted_before_the_delay() -> None:
    async with calling() as caller:
        caller.sim.script(IMAGINE, Fault.accept_and_close(delay=60))
        with pytest.raises(CUT):
            await caller.imagine()
        assert [task.at for task in caller.sim.accepted] == [0.0]
        assert caller.sim.now() == pytest.approx(60)


async def test_every_fault_is_counted() -> None:
    async with calling() as caller:
        caller.sim.script(FETCH, Fault.answer(500), times=2)
        caller.sim.script(FETCH, Fault.answer(503))
        statuses = [(await caller.fetch("1")).status for _ in range(4)]
        assert statuses == [500, 500, 503, 400]


async def test_the_star_stands_for_any_api_endpoint_but_not_for_pictures() -> None:
    async with calling() as caller:
        caller.sim.script("*", Fault.answer(503), times=2)
        assert (await caller.get("/attachments/1/2/x.png")).status == 404
        assert (await caller.get("/nowhere")).status == 200
        assert (await caller.fetch("1")).status == 503
        assert (await caller.find("1")).status == 503
        assert (await caller.find("1")).status == 200


async def test_faults_may_be_given_at_the_start() -> None:
    async with calling(faults=[(FETCH, Fault.answer(500)), (FETCH, Fault.answer(502))]) as caller:
        assert [(await caller.fetch("1")).status for _ in range(3)] == [500, 502, 400]


def test_an_unknown_endpoint_is_refused_with_the_known_ones() -> None:
    with pytest.raises(ValueError, match=r"unknown endpoint 'x'; .*submit/imagine.*\*"):
        Script([("x", Fault.slow(1))])


@pytest.mark.parametrize("times", [0, -1])
def test_a_fault_happens_at_least_once(times: int) -> None:
    with pytest.raises(ValueError, match="times must be 1 or more"):
        Script().add(FETCH, Fault.slow(1), times)


@pytest.mark.parametrize("keep", [-0.1, 1.0])
def test_a_part_is_less_than_the_whole(keep: float) -> None:
    with pytest.raises(ValueError, match="keep must be from 0 to below 1"):
        Fault.truncate(keep)


def test_a_delay_is_not_negative() -> None:
    with pytest.raises(ValueError, match="delay must not be negative"):
        Fault.slow(-1)


async def leave_early(caller: Caller) -> None:
    """Announce a body, send half of it, and go."""
    port = int(caller.sim.base_url.rsplit(":", 1)[1])
    _, writer = await asyncio.open_connection("127.0.0.1", port)
    head = f"POST /mj/submit/imagine HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {caller.sim.api_key}\r\n"
    rest = 'Content-Type: application/json\r\nContent-Length: 99\r\n\r\n{"prompt":'
    writer.write((head + rest).encode())
    await writer.drain()
    await asyncio.sleep(1)
    writer.close()
    await writer.wait_closed()
    await asyncio.sleep(1)


async def test_a_client_that_leaves_in_the_middle_of_a_submit_starts_no_task(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with calling() as caller:
        await leave_early(caller)
        assert not caller.sim.accepted
        [record] = caller.sim.requests
        assert record.status is None
        assert record.finished == pytest.approx(1.0)
    assert not caplog.records


async def test_a_fault_may_last_for_a_time() -> None:
    async with calling() as caller:
        caller.sim.script("*", Fault.answer(502), seconds=10)
        caller.sim.script(FETCH, Fault.answer(429))
        caller.sim.script("attachments", Fault.answer(410), seconds=5)
        statuses = [(await caller.fetch("1")).status, (await caller.find("1")).status]
        await asyncio.sleep(10)
        statuses.append((await caller.find("1")).status)

        assert statuses == [429, 502, 200]
        with pytest.raises(ValueError, match="unknown endpoint"):
            caller.sim.script("nowhere", Fault.answer(502), seconds=10)


async def test_one_poison_id_spoils_every_list_call_that_names_it() -> None:
    async with calling(profile="novicezk") as caller:
        caller.sim.poison("task/list-by-condition", "2", Fault.answer(500))
        statuses = [(await caller.find(*ids)).status for ids in (["1", "2"], ["2"], ["1"])]
        caller.sim.poison("task/list-by-condition", "2", None)
        statuses.append((await caller.find("1", "2")).status)

        assert statuses == [500, 500, 200, 200]
        assert (await caller.fetch("2")).status == 200
        with pytest.raises(ValueError, match="unknown endpoint"):
            caller.sim.poison("nowhere", "1", None)


async def test_a_server_that_is_healed_has_no_faults_left() -> None:
    async with calling(faults=[(FETCH, Fault.answer(500))]) as caller:
        caller.sim.script("*", Fault.answer(501), times=3)
        caller.sim.script("*", Fault.answer(502), seconds=1000)
        caller.sim.chance(FETCH, Fault.answer(503), 1)
        caller.sim.poison(FETCH, "1", Fault.answer(504))
        statuses = [(await caller.fetch("1")).status]
        caller.sim.heal()

        assert [*statuses, (await caller.fetch("1")).status] == [504, 400]
