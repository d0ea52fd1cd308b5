import http.client
import json
import threading
import time

import pytest

from mjtask_async.simulator import Simulator, run_in_thread


def fetch(sim: Simulator, task_id: str) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection(sim.base_url.removeprefix("http://"), timeout=5)
    try:
        headers = {"mj-api-secret": sim.api_key}
        connection.request("GET", f"/mj/task/{task_id}/fetch", headers=headers)
        response = connection.getresponse()
        return response.status, response.read()
    finally:
        connection.close()


def test_it_serves_while_the_block_lasts() -> None:
    before = threading.active_count()
    with run_in_thread(Simulator()) as sim:
        assert fetch(sim, "1")[0] == 400
        assert [record.ids for record in sim.requests] == [("1",)]
    assert threading.active_count() == before
    with pytest.raises(ConnectionRefusedError):
        fetch(sim, "1")


def test_a_failing_start_is_raised_where_it_was_asked_for() -> None:
    with run_in_thread(Simulator()) as sim:
        port = int(sim.base_url.rsplit(":", 1)[1])
        with pytest.raises(OSError, match=r"in use|only one usage"):
            run_in_thread(Simulator(port=port)).__enter__()


def test_an_exception_in_the_block_ends_the_thread() -> None:
    before = threading.active_count()
    with pytest.raises(ZeroDivisionError), run_in_thread(Simulator()):
        raise ZeroDivisionError
    assert threading.active_count() == before


def test_its_clock_runs_in_every_thread() -> None:
    with run_in_thread(Simulator(profile="novicezk", speed=1000.0)) as sim:
        task = json.dumps({"prompt": "x"})
        connection = http.client.HTTPConnection(sim.base_url.removeprefix("http://"), timeout=5)
        headers = {"mj-api-secret": sim.api_key, "Content-Type": "application/json"}
        connection.request("POST", "/mj/submit/imagine", task, headers)
        task_id = json.loads(connection.getresponse().read())["result"]
        connection.close()
        deadline = time.monotonic() + 10
        while sim.changes(task_id)[-1].status != "SUCCESS":
            assert time.monotonic() < deadline
        assert sim.now() > 20
