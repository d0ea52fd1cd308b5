import asyncio
import contextlib
import gc
import json
import socket
from typing import Any

import aiohttp
import pytest

from mjtask_async.simulator import Change, Fault, Simulator, Step

from .conftest import EPOCH, Caller, calling

FETCH = "task/{id}/fetch"


async def final_task(caller: Caller, task_id: str) -> Any:
    while True:
        task = json.loads((await caller.fetch(task_id)).body)
        if task["status"] == "SUCCESS":
            return task
        await asyncio.sleep(3)


@pytest.mark.parametrize("profile", ["new-api", "novicezk"])
async def test_a_task_runs_from_submit_to_picture(profile: str) -> None:
    async with calling(profile=profile) as caller:
        task_id = json.loads((await caller.imagine("a cat")).body)["result"]
        task = await final_task(caller, task_id)
        picture = await caller.raw("GET", task["imageUrl"], {})
        assert (task["prompt"], task["progress"]) == ("a cat", "100%")
        assert (picture.status, picture.headers["Content-Type"]) == (200, "image/png")
        [accepted] = caller.sim.accepted
        assert (accepted.id, accepted.prompt, accepted.state) == (task_id, "a cat", "s")


async def test_every_request_is_recorded() -> None:
    async with calling() as caller:
        await caller.find("1", "2")
        await asyncio.sleep(2)
        await caller.fetch("3")
        listed, fetched = caller.sim.requests
        assert (listed.method, listed.path) == ("POST", "/mj/task/list-by-condition")
        assert (listed.endpoint, listed.ids) == ("task/list-by-condition", ("1", "2"))
        assert (listed.status, listed.started, listed.finished) == (200, 0.0, 0.0)
        assert (fetched.endpoint, fetched.ids, fetched.status) == (FETCH, ("3",), 400)
        assert (fetched.started, fetched.concurrent) == (2.0, 1)


async def test_requests_under_way_are_counted_and_pictures_are_not() -> None:
    async with calling() as caller:
        caller.sim.script(FETCH, Fault.slow(5), times=3)
        pending = asyncio.gather(*(caller.fetch(str(n)) for n in range(3)))
        await asyncio.sleep(1)
        await caller.get("/mj/image/1")
        under_way = caller.sim.requests
        await pending
        assert [record.concurrent for record in under_way] == [1, 2, 3, 3]
        assert [record.finished is None for record in under_way] == [True, True, True, False]
        assert (await caller.fetch("4")).status == 400
        assert caller.sim.requests[-1].concurrent == 1


async def test_speed_makes_the_simulators_clock_run_faster() -> None:
    async with calling(profile="novicezk", speed=60.0) as caller:
        task_id = json.loads((await caller.imagine()).body)["result"]
        await asyncio.sleep(3)
        assert caller.sim.now() == pytest.approx(180.0)
        assert json.loads((await caller.fetch(task_id)).body)["status"] == "SUCCESS"


async def test_moments_translate_into_the_callers_clock() -> None:
    await asyncio.sleep(100)
    async with calling(speed=2.0) as caller:
        assert caller.sim.clock_time(0.0) == pytest.approx(100.0)
        assert caller.sim.clock_time(10.0) == pytest.approx(105.0)


async def test_another_clock_may_be_given() -> None:
    time = 5.0
    async with calling(clock=lambda: time) as caller:
        time = 8.0
        assert caller.sim.now() == 3.0


async def test_wire_times_are_wall_clock_times_unless_an_epoch_is_given() -> None:
    async with calling(profile="novicezk") as known, calling(profile="novicezk", epoch=None) as now:
        tasks = []
        for caller in (known, now):
            task_id = json.loads((await caller.imagine()).body)["result"]
            tasks.append(json.loads((await caller.fetch(task_id)).body))
        assert tasks[0]["submitTime"] == EPOCH * 1000
        assert tasks[1]["submitTime"] > 1_750_000_000_000


async def test_planted_tasks_are_seen_at_once_when_asked_directly() -> None:
    async with calling(profile="novicezk") as caller:
        await asyncio.sleep(10)
        steps = [
            Step(at=0, status="IN_PROGRESS", progress="10%"),
            Step(at=5, status="SUCCESS"),
        ]
        caller.sim.plant("17", steps, prompt="p", state="s", fields={"extra": 1})
        first = json.loads((await caller.fetch("17")).body)
        await asyncio.sleep(5)
        second = json.loads((await caller.fetch("17")).body)
        assert (first["status"], first["progress"], first["extra"]) == ("IN_PROGRESS", "10%", 1)
        assert (second["status"], second["prompt"], second["state"]) == ("SUCCESS", "p", "s")
        assert caller.sim.changes("17") == [
            Change(10.0, "IN_PROGRESS", "10%"),
            Change(15.0, "SUCCESS", "100%"),
        ]
        assert caller.sim.changes("18") == []


async def test_tasks_may_be_planted_before_the_start() -> None:
    sim = Simulator(profile="novicezk", epoch=EPOCH)
    sim.plant("17", [Step(at=0, status="SUCCESS")])
    assert sim.now() == 0.0
    async with sim, aiohttp.ClientSession() as http:
        task = json.loads((await Caller(sim, http).fetch("17")).body)
        assert task["imageUrl"].startswith(sim.base_url)


async def test_what_is_forgotten_is_unknown_to_the_api() -> None:
    async with calling(profile="novicezk") as direct, calling() as relayed:
        for caller in (direct, relayed):
            caller.sim.plant("17", [Step(at=0)])
            caller.sim.forget("17")
        assert (await direct.fetch("17")).body == b""
        assert (await relayed.fetch("17")).status == 200
        relayed.sim.forget("17", row=True)
        assert (await relayed.fetch("17")).status == 400
        with pytest.raises(LookupError, match="knows no task '17'"):
            direct.sim.forget("17")


async def test_a_relay_may_have_another_address_in_its_links() -> None:
    """Contract Q14: the default is http://localhost:3000."""
    async with calling(server_address="http://localhost:3000") as caller:
        caller.sim.plant("17", [Step(at=0, status="SUCCESS")])
        await asyncio.sleep(30)
        task = json.loads((await caller.fetch("17")).body)
        assert task["imageUrl"] == "http://localhost:3000/mj/image/17"
        assert (await caller.get("/mj/image/17")).status == 200


async def test_a_link_that_expired_or_never_was_is_gone() -> None:
    async with calling(profile="novicezk") as caller:
        caller.sim.plant("17", [Step(at=0, status="SUCCESS")])
        link = json.loads((await caller.fetch("17")).body)["imageUrl"]
        assert (await caller.get(link)).status == 200
        await asyncio.sleep(90_000)
        gone = await caller.get(link)
        assert (gone.status, gone.body) == (404, b"This content is no longer available.")
        assert caller.sim.requests[-1].endpoint == "attachments"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"profile": "x"}, "the profiles are: new-api, new-api-2025, novicezk"),
        ({"speed": 0}, "speed must be above 0"),
        ({"speed": float("inf")}, "speed must be above 0"),
        ({"speed": float("nan")}, "speed must be above 0"),
        ({"port": -1}, "port must be from 0 to 65535"),
        ({"port": 65_536}, "port must be from 0 to 65535"),
        ({"workers": -1}, "workers must be 0 or more"),
        ({"queue_size": -1}, "queue_size must be 0 or more"),
        ({"api_key": " "}, "api_key must not be empty"),
        ({"faults": [("x", Fault.slow(1))]}, "unknown endpoint 'x'"),
    ],
)
def test_arguments_out_of_range_are_refused(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Simulator(**arguments)


async def test_a_simulator_shows_what_it_is() -> None:
    sim = Simulator(profile="novicezk")
    assert repr(sim) == "<Simulator novicezk not started>"
    with pytest.raises(RuntimeError, match="has not been started"):
        _ = sim.base_url
    async with sim:
        assert repr(sim) == f"<Simulator novicezk {sim.base_url}>"
        assert (sim.profile, sim.auth, sim.api_key) == ("novicezk", "secret", "sk-simulator")


async def test_a_simulator_serves_only_once() -> None:
    async with Simulator() as sim:
        pass
    with pytest.raises(RuntimeError, match="serves only once"):
        await sim.__aenter__()


async def test_a_taken_port_is_reported_and_leaves_nothing_open() -> None:
    async with Simulator() as sim:
        port = int(sim.base_url.rsplit(":", 1)[1])
        with pytest.raises(OSError, match=r"in use|only one usage"):
            await Simulator(port=port).__aenter__()
    async with Simulator(port=port) as again:
        assert again.base_url == sim.base_url


async def test_closing_twice_is_harmless() -> None:
    async with Simulator() as sim:
        await sim.aclose()
        await sim.aclose()
    await sim.aclose()


async def test_closing_before_the_start_is_harmless() -> None:
    await Simulator().aclose()


async def test_entering_and_leaving_may_happen_in_different_tasks() -> None:
    sim = Simulator()
    await asyncio.create_task(sim.__aenter__())
    await asyncio.create_task(sim.aclose())
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection("127.0.0.1", int(sim.base_url.rsplit(":", 1)[1]))


async def test_an_exception_in_the_block_leaves_it_as_itself() -> None:
    with pytest.raises(ZeroDivisionError):
        async with Simulator():
            raise ZeroDivisionError


@pytest.mark.parametrize("reused", [0, 1])
async def test_closing_cuts_off_requests_under_way_and_leaves_no_task(reused: int) -> None:
    before = asyncio.all_tasks()
    async with aiohttp.ClientSession() as http:
        sim = Simulator()
        async with sim:
            caller = Caller(sim, http)
            for _ in range(reused):
                await caller.fetch("1")
            sim.script(FETCH, Fault.slow(1000))
            sim.script("submit/imagine", Fault.slow(1000))
            pending = [asyncio.create_task(caller.imagine()) for _ in range(3)]
            pending.append(asyncio.create_task(caller.fetch("2")))
            await asyncio.sleep(1)
            assert sum(record.finished is None for record in sim.requests) >= 2
        for task in pending:
            with contextlib.suppress(aiohttp.ClientError):
                await task
        assert sim.now() < 10
    await asyncio.sleep(0.1)
    assert asyncio.all_tasks() == before
    gc.collect()


async def test_a_connection_that_is_being_accepted_is_closed_too() -> None:
    before = asyncio.all_tasks()
    sim = Simulator()
    await sim.__aenter__()
    address = ("127.0.0.1", int(sim.base_url.rsplit(":", 1)[1]))
    loop = asyncio.get_running_loop()
    with socket.socket() as client:
        client.settimeout(0)
        await loop.sock_connect(client, address)
        await sim.aclose()
        with contextlib.suppress(ConnectionResetError):
            assert await loop.sock_recv(client, 1) == b""
    await asyncio.sleep(0.1)
    assert asyncio.all_tasks() == before
    gc.collect()
