# ruff: noqa: RUF001 -- the servers' own words
import json
import re
from itertools import pairwise
from typing import Any

import pytest

from mjtask_async.simulator import PROFILES, Change, Step
from mjtask_async.simulator.direct import Direct, Errand
from mjtask_async.simulator.engine import Engine
from mjtask_async.simulator.origin import imagined
from mjtask_async.simulator.records import Picture
from mjtask_async.simulator.relay import TOO_MANY_IDS, Relay, RelayRules
from mjtask_async.simulator.rows import HOUR_RULE

EPOCH = 1_700_000_000.0
RUNNING = Step(at=0, status="IN_PROGRESS", progress="37%")
PASS = 30.0
"""After so many seconds every row has been refreshed at least once."""


def relay(rules: RelayRules | None = None, origin: str = "new-api", **arguments: Any) -> Relay:
    engine = Engine(PROFILES[origin].origin, epoch=EPOCH, **arguments)
    engine.cdn = "http://cdn"
    made = Relay(Direct(engine), rules or RelayRules(period=15.0, single=0.375))
    made.address = "http://relay"
    return made


def plant(server: Relay, *steps: Step, now: float = 0.0, **fields: Any) -> None:
    server.plant("17", steps, now, imagined("p", "s") | fields)


def look(server: Relay, now: float, task_id: str = "17") -> dict[str, Any]:
    text = server.fetch(task_id, now)
    assert text
    task: dict[str, Any] = json.loads(text)
    return task


def find(server: Relay, now: float, *ids: str) -> list[dict[str, Any]]:
    tasks: list[dict[str, Any]] = json.loads(server.find(ids, now))
    return tasks


def submit(server: Relay, now: float = 0.0, prompt: str = "cat", **order: Any) -> dict[str, Any]:
    answer: dict[str, Any] = json.loads(
        server.submit(Errand("submit/imagine", {"prompt": prompt, **order}, "IMAGINE"), now).text
        or ""
    )
    return answer


def pass_times(server: Relay, until: float) -> list[float]:
    """Watch a row that changes all the time, and list when it was seen to."""
    steps = [Step(at=n, status=f"S{n}") for n in range(int(until))]
    plant(server, *steps)
    return [change.at for change in server.changes("17", until)[1:]]


def test_passes_lie_on_a_grid_of_15_seconds_15_or_30_apart() -> None:
    """Contract 7, column A2: 15 or 30 s, mean 24.4 s."""
    times = pass_times(relay(), 3000)
    gaps = [round(later - earlier, 6) for earlier, later in pairwise(times)]
    assert set(gaps) == {15.0, 30.0}
    assert 22 < sum(gaps) / len(gaps) < 27


def test_a_regular_relay_refreshes_every_15_seconds() -> None:
    """Contract 7, column A."""
    times = pass_times(relay(RelayRules()), 600)
    gaps = {round(later - earlier, 6) for earlier, later in pairwise(times)}
    assert gaps == {15.0}


def test_the_phase_of_the_grid_comes_from_the_seed() -> None:
    engine = Direct(Engine(PROFILES["new-api"].origin))
    phases = {Relay(engine, RelayRules(), seed=seed)._next_pass for seed in range(5)}
    assert len(phases) == 5
    assert all(phase is not None and 0 <= phase <= 15 for phase in phases)


def test_a_row_is_blank_until_its_first_refresh() -> None:
    """Contract Q3: status and state are empty, times 0, lists null."""
    server = relay()
    task = look(server, 0, submit(server, state="mine")["result"])
    assert (task["status"], task["progress"], task["state"]) == ("", "0%", "")
    assert (task["submitTime"], task["startTime"]) == (1_700_000_000_000, 0)
    assert task["description"] == "提交成功"
    assert (task["buttons"], task["properties"], task["videoUrls"]) == (None, None, None)


def test_null_progress_becomes_an_empty_text() -> None:
    """Contract 3.2."""
    server = relay()
    plant(server, Step(at=1e6))
    task = look(server, PASS)
    assert (task["status"], task["progress"], task["state"]) == ("NOT_START", "", "s")
    assert task["properties"] == {"finalPrompt": "", "finalZhPrompt": ""}


def test_a_relay_without_videos_has_18_keys() -> None:
    """Contract 3.1: the keys come with A2."""
    server = relay(RelayRules(videos=False))
    plant(server, Step(at=0, status="SUCCESS"), videoUrl="http://v")
    task = look(server, PASS)
    assert len(task) == 18
    assert not {"videoUrl", "videoUrls"} & set(task)


def test_buttons_have_the_relays_key_order() -> None:
    """Contract 3.1."""
    server = relay()
    plant(server, Step(at=0, status="SUCCESS"))
    [button, *_] = look(server, PASS)["buttons"]
    assert list(button) == ["customId", "emoji", "label", "type", "style"]


def test_novicezk_behind_a_relay_leaves_buttons_null() -> None:
    """Contract Q4."""
    server = relay(origin="novicezk")
    plant(server, Step(at=0, status="SUCCESS"))
    assert look(server, PASS)["buttons"] is None


def test_links_are_rewritten_and_differ_on_every_read_until_success() -> None:
    """Contract Q14."""
    server = relay()
    plant(server, RUNNING, Step(at=PASS, status="SUCCESS"))
    running = [look(server, PASS - 0.01)["imageUrl"] for _ in range(3)]
    assert len(set(running)) == 3
    assert all(re.fullmatch(r"http://relay/mj/image/17\?rand=\d{19}", link) for link in running)
    assert look(server, 3 * PASS)["imageUrl"] == "http://relay/mj/image/17"


def test_the_image_behind_a_row_is_the_origins_of_the_last_refresh() -> None:
    server = relay()
    plant(server, RUNNING, Step(at=PASS, status="SUCCESS"))
    link, picture = server.image("17", PASS - 0.01)
    assert (link or "").startswith("http://cdn/attachments/")
    assert picture == Picture("17", 37)
    assert server.image("17", 3 * PASS)[1] == Picture("17", 100)
    assert server.image("18", 3 * PASS) == (None, None)


def test_a_picture_from_elsewhere_cannot_be_passed_on() -> None:
    server = relay()
    plant(server, Step(at=0, status="SUCCESS", image_url="http://elsewhere/a.png"))
    assert server.image("17", PASS) == ("http://elsewhere/a.png", None)


def test_a_queued_submit_comes_back_as_1() -> None:
    """Contract 2.3: relays rewrite 22."""
    server = relay(workers=1)
    answers = [submit(server) for _ in range(3)]
    assert [answer["code"] for answer in answers] == [1, 1, 1]
    assert answers[2]["properties"]["numberOfQueues"] == 1


def test_the_webhook_and_the_account_filter_are_not_forwarded() -> None:
    """Contract 6."""
    server = relay()
    submit(server, notifyHook="http://h", accountFilter={"modes": ["FAST"]})
    upstream = server._upstream
    assert isinstance(upstream, Direct)
    [job] = upstream._engine._jobs.values()
    assert job.first["properties"]["notifyHook"] is None


def test_a_refused_submit_leaves_a_failed_row_without_an_id() -> None:
    """Contract Q8."""
    server = relay(workers=1, queue_size=1)
    answers = [submit(server) for _ in range(3)]
    assert answers[2]["code"] == 9
    [fresh] = find(server, 0, "")
    [failed] = find(server, PASS, "")
    assert (fresh["status"], fresh["failReason"]) == ("", "提交失败，队列已满，请稍后重试")
    assert (failed["id"], failed["status"], failed["progress"]) == ("", "FAILURE", "100%")
    assert look(server, PASS, "") == failed


def test_rows_come_in_the_order_of_their_insertion() -> None:
    """Contract 2.2."""
    server = relay(workers=5)
    ids = [submit(server)["result"] for _ in range(5)]
    found = find(server, 0, ids[3], ids[0], "unknown", ids[3], ids[1])
    assert [task["id"] for task in found] == [ids[0], ids[1], ids[3]]


def test_too_many_ids_break_the_query_silently() -> None:
    """Contract 2.2: 32,765 ids work, from 32,766 on the answer is []."""
    server = relay()
    plant(server, RUNNING)
    others = [f"x{n}" for n in range(TOO_MANY_IDS - 2)]
    assert len(find(server, 0, "17", *others)) == 1
    assert find(server, 0, "17", "x", *others) == []


def test_a_failure_with_a_reason_is_finished_and_one_without_is_not() -> None:
    """Contract 3.2."""
    server = relay()
    plant(server, Step(at=0, status="FAILURE", fail_reason="x"))
    assert look(server, PASS)["progress"] == "100%"
    server = relay()
    plant(server, Step(at=0, status="FAILURE"), Step(at=PASS, status="SUCCESS"))
    assert look(server, PASS - 0.01)["progress"] == ""
    assert look(server, 3 * PASS)["status"] == "SUCCESS"


def test_a_row_in_progress_at_100_percent_is_frozen() -> None:
    """Contract Q9."""
    server = relay()
    plant(
        server, Step(at=0, status="IN_PROGRESS", progress="100%"), Step(at=PASS, status="SUCCESS")
    )
    assert look(server, 1000)["status"] == "IN_PROGRESS"


def test_a_row_with_a_reason_and_no_failure_is_frozen() -> None:
    """Contract Q10."""
    server = relay()
    plant(
        server,
        Step(at=0, status="IN_PROGRESS", progress="20%", fail_reason="odd"),
        Step(at=PASS, status="SUCCESS", fail_reason=""),
    )
    task = look(server, 1000)
    assert (task["status"], task["progress"]) == ("IN_PROGRESS", "100%")


def test_a_row_that_upstream_lost_stays_as_it_is() -> None:
    """Contract Q11: not even the one-hour rule applies."""
    server = relay()
    plant(server, RUNNING)
    assert server.forget("17", PASS, row=False)
    assert look(server, 5000)["progress"] == "37%"


def test_a_row_can_be_lost_too() -> None:
    server = relay()
    plant(server, RUNNING)
    submit(server)
    server.forget("17", PASS, row=False)
    assert server.forget("17", PASS, row=True)
    assert server.fetch("17", PASS) is None
    assert not server.forget("17", PASS, row=True)
    assert not server.forget("17", PASS, row=False)
    assert len(server.changes("17", PASS)) == 0


def test_after_an_hour_a_row_fails_even_if_upstream_succeeded() -> None:
    """Contract 7 and Q34: the picture stays."""
    server = relay()
    plant(server, RUNNING, Step(at=3605, status="SUCCESS"))
    assert look(server, 3599)["status"] == "IN_PROGRESS"
    failed = look(server, 3700)
    assert (failed["status"], failed["failReason"]) == ("FAILURE", HOUR_RULE)
    assert failed["progress"] == "100%"
    assert failed["imageUrl"].startswith("http://relay/mj/image/17?rand=")


@pytest.mark.parametrize(
    "wrong",
    [
        {"submitTime": "1700000000000"},
        {"startTime": 1.5},
        {"prompt": "fine", "failReason": 4},
        {"properties": {"finalPrompt": 1}},
        {"properties": []},
    ],
)
def test_one_unreadable_task_freezes_all_rows(wrong: dict[str, Any]) -> None:
    """Contract 7: one item with a wrong type freezes all tasks as long as it is listed."""
    server = relay()
    plant(server, RUNNING)
    server.plant("18", [Step(at=0)], 0, imagined("p", None) | wrong)
    assert look(server, PASS)["status"] == ""
    server.forget("18", PASS, row=False)
    assert look(server, 2 * PASS)["status"] == "IN_PROGRESS"


def test_an_item_with_a_strange_id_is_skipped() -> None:
    """Contract Q11: A2 ignores ids that it did not ask for."""
    server = relay()
    plant(server, RUNNING, id="other")
    assert look(server, PASS)["status"] == ""


def test_an_item_with_a_strange_id_ends_all_refreshing_elsewhere() -> None:
    """Contract Q11: A and H, until the process restarts; reads and submits go on."""
    server = relay(RelayRules(fragile=True))
    plant(server, RUNNING)
    assert look(server, PASS)["progress"] == "37%"
    server.plant("18", [Step(at=0)], PASS, imagined("p", None) | {"id": "other"})
    plain = submit(server, PASS)["result"]
    assert look(server, 1000, plain)["status"] == ""
    rules = {name: profile.relay for name, profile in PROFILES.items() if profile.relay}
    assert {name for name, each in rules.items() if each.fragile} == {"new-api-2025", "one-hub"}


def test_properties_that_upstream_lacks_stay_null() -> None:
    """Contract 3.1."""
    server = relay()
    plant(server, Step(at=0, status="NOT_START", fields={"properties": None}))
    assert look(server, PASS)["properties"] is None


def test_changes_tell_when_the_row_changed_and_not_when_the_task_did() -> None:
    server = relay()
    plant(server, RUNNING, Step(at=1, status="SUCCESS"), now=2.0)
    first, second = server.changes("17", 100)
    assert first == Change(2.0, "", "0%")
    assert second[1:] == ("SUCCESS", "100%")
    assert 3.0 < second.at <= 2.0 + PASS


def test_passes_are_made_up_for_whenever_somebody_looks() -> None:
    often, once = relay(), relay()
    for server in (often, once):
        plant(server, *(Step(at=n, status=f"S{n}") for n in range(100)))
    for now in range(0, 100, 7):
        often.fetch("17", now)
    assert often.changes("17", 100) == once.changes("17", 100)
