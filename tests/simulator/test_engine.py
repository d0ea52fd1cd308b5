import json
import re
from typing import Any

import pytest

from mjtask_async.simulator import PROFILES, Change, Step
from mjtask_async.simulator.engine import Engine
from mjtask_async.simulator.links import LINK_SECONDS
from mjtask_async.simulator.origin import imagined
from mjtask_async.simulator.records import Picture
from mjtask_async.simulator.switches import Switches

EPOCH = 1_700_000_000.0
NOVICEZK = PROFILES["novicezk"].origin
TRUEAI = PROFILES["new-api"].origin


def novicezk(**arguments: Any) -> Engine:
    return Engine(NOVICEZK, epoch=EPOCH, **arguments)


def trueai(**arguments: Any) -> Engine:
    return Engine(TRUEAI, epoch=EPOCH, **arguments)


def submit(engine: Engine, *, now: float = 0.0, **order: Any) -> dict[str, Any]:
    body: dict[str, Any] = engine.submit("submit/imagine", {"prompt": "cat", **order}, now).body
    return body


def look(engine: Engine, task_id: str, now: float) -> dict[str, Any]:
    job = engine.job(task_id)
    assert job
    assert json.loads(engine.text(job, now)) == engine.wire(job, now)
    return engine.wire(job, now)


def test_an_idle_server_answers_1_to_four_22_to_nine_and_then_refuses() -> None:
    """Contract 9: running ones do not count; 1, 1, 1, 1, 22 nine times, then 23."""
    engine = novicezk()
    answers = [submit(engine) for _ in range(15)]
    assert [answer["code"] for answer in answers] == [1] * 4 + [22] * 9 + [23] * 2
    queued = [answer["properties"].get("numberOfQueues") for answer in answers[4:13]]
    assert queued == list(range(1, 10))
    assert answers[4]["description"] == "排队中，前面还有1个任务"  # noqa: RUF001 -- its own words
    assert answers[13]["result"] is None
    assert len(engine.accepted) == 13


def test_trueai_says_9_when_its_queue_is_full() -> None:
    """Contract 2.3: T never says 23."""
    engine = trueai(workers=1, queue_size=1)
    codes = [submit(engine)["code"] for _ in range(3)]
    assert codes == [1, 1, 9]


def test_the_queue_moves_on_as_workers_finish() -> None:
    engine = novicezk(workers=1, queue_size=2)
    first = submit(engine)["result"]
    submit(engine)
    assert submit(engine)["code"] == 22
    assert submit(engine)["code"] == 23
    end = next(change.at for change in engine.changes(first, 1e9) if change.status == "SUCCESS")
    assert submit(engine, now=end - 0.1)["code"] == 23
    assert submit(engine, now=end)["code"] == 22


def test_three_workers_run_three_tasks_at_once() -> None:
    engine = novicezk()
    ids = [submit(engine)["result"] for _ in range(6)]
    seen = [[look(engine, task_id, now)["status"] for task_id in ids] for now in range(0, 300, 5)]
    assert max(sum(state in {"SUBMITTED", "IN_PROGRESS"} for state in now) for now in seen) == 3
    assert seen[-1] == ["SUCCESS"] * 6


def test_the_same_seed_runs_the_same() -> None:
    one, same, other = novicezk(seed=5), novicezk(seed=5), novicezk(seed=6)
    ids = [submit(engine)["result"] for engine in (one, same, other)]
    assert ids[0] == ids[1] != ids[2]
    assert one.changes(ids[0], 1e9) == same.changes(ids[1], 1e9) != other.changes(ids[2], 1e9)


def test_an_id_is_the_milliseconds_and_three_digits() -> None:
    """Contract Q1."""
    assert re.fullmatch(r"1700000002500\d{3}", submit(novicezk(), now=2.5)["result"])


@pytest.mark.parametrize("prefix", ["task_", "0"])
def test_an_id_may_begin_otherwise(prefix: str) -> None:
    """Contract Q1: ids are opaque."""
    engine = novicezk(switches=Switches(id_prefix=prefix))
    assert submit(engine)["result"].startswith(f"{prefix}1700000000000")


def test_ids_stay_apart_when_a_millisecond_has_too_many() -> None:
    engine = novicezk(queue_size=3000)
    assert len({submit(engine)["result"] for _ in range(1500)}) == 1500


def test_a_server_without_workers_has_no_account() -> None:
    """Contract 2.3: code 3."""
    assert submit(novicezk(workers=0)) == {
        "code": 3,
        "description": "无可用的账号实例",
        "result": None,
        "properties": {},
    }


def test_a_prompt_without_text_is_refused_with_4() -> None:
    assert submit(novicezk(), prompt=None)["description"] == "prompt不能为空"
    assert submit(trueai(), prompt=" \n")["description"] == "提示词不能为空"


def test_novicezk_refuses_a_banned_word_at_the_submit() -> None:
    """Contract 2.3: code 24 with promptEn and bannedWord."""
    answer = submit(novicezk(), prompt="A Nude cat")
    assert answer["code"] == 24
    assert answer["properties"] == {"promptEn": "A Nude cat", "bannedWord": "Nude"}


def test_trueai_fails_the_task_for_a_banned_word() -> None:
    """Contract 2.3: T checks in the worker."""
    engine = trueai()
    answer = submit(engine, prompt="a nude cat")
    task = look(engine, answer["result"], 10)
    assert answer["code"] == 1
    assert (task["status"], task["progress"]) == ("FAILURE", "")
    assert task["failReason"] == "可能包含敏感词"


def test_pictures_may_be_links_for_trueai_and_must_be_data_urls_for_novicezk() -> None:
    """Contract 1.5."""
    links = ["https://example.com/a.png"]
    assert submit(trueai(), base64Array=links)["code"] == 1
    assert submit(novicezk(), base64Array=links)["description"] == "base64格式错误"
    assert submit(novicezk(), base64Array=["data:image/png;base64,AA=="])["code"] == 1


def test_trueai_refuses_a_long_state() -> None:
    """Contract 1.4: at most 255 characters."""
    assert submit(trueai(), state="x" * 255)["code"] == 1
    assert submit(trueai(), state="x" * 256)["code"] == 4
    assert submit(novicezk(), state="x" * 256)["code"] == 1


def test_a_task_goes_from_not_start_to_success() -> None:
    engine = novicezk()
    task_id = submit(engine, state="mine", notifyHook="http://h")["result"]
    fresh, submitted, final = (look(engine, task_id, now) for now in (1.1, 1.2, 200))
    assert (fresh["status"], fresh["progress"], fresh["startTime"]) == ("NOT_START", None, None)
    assert fresh["properties"]["notifyHook"] == "http://h"
    assert (submitted["status"], submitted["progress"]) == ("SUBMITTED", "0%")
    assert submitted["startTime"] == 1_700_000_001_200
    assert (final["status"], final["progress"], final["state"]) == ("SUCCESS", "100%", "mine")
    assert final["finishTime"] > final["startTime"]
    assert final["properties"]["finalPrompt"] == "cat"
    assert "buttons" not in final


def test_a_running_task_shows_previews_with_links_of_their_own() -> None:
    """Contract 9: a preview imageUrl that changes."""
    engine = novicezk()
    task_id = submit(engine)["result"]
    seen = [look(engine, task_id, now) for now in range(200)]
    links = {task["imageUrl"] for task in seen if task["status"] == "IN_PROGRESS"}
    assert len(links) == len({task["progress"] for task in seen if task["imageUrl"]}) - 1


def test_trueai_ends_a_task_with_buttons_and_without_its_state() -> None:
    """Contract 3.1: state and failReason are blanked on success."""
    engine = trueai()
    task_id = submit(engine, state="mine")["result"]
    assert look(engine, task_id, 1)["state"] == "mine"
    final = look(engine, task_id, 300)
    labels = [button["label"] or button["emoji"] for button in final["buttons"]]
    assert labels == ["U1", "U2", "U3", "U4", "🔄", "V1", "V2", "V3", "V4"]
    assert list(final["buttons"][0]) == ["customId", "emoji", "label", "style", "type"]
    assert (final["state"], final["failReason"]) == ("", "")


def test_trueai_is_seen_every_3_seconds_and_novicezk_live() -> None:
    """Contract 7."""
    for engine, is_live in ((trueai(), False), (novicezk(), True)):
        changes = engine.changes(submit(engine)["result"], 1e9)[1:]
        gaps = [(change.at - changes[0].at) % 3 for change in changes]
        assert any(min(gap, 3 - gap) > 0.001 for gap in gaps) is is_live


def test_the_list_leaves_unknown_ids_out_and_collapses_the_others() -> None:
    """Contract 2.2."""
    engine = trueai()
    ids = [submit(engine)["result"] for _ in range(3)]
    found = engine.jobs([ids[2], "unknown", ids[0], ids[2]], 0)
    assert [job.id for job in found] == [ids[0], ids[2]]


def test_novicezk_lists_tasks_under_way_first_and_the_rest_in_a_changing_order() -> None:
    """Contract 2.2: queued ones first, rest in HashSet order, which changes with the request."""
    engine = novicezk(workers=12)
    ids = [submit(engine)["result"] for _ in range(12)]
    orders = {tuple(job.id for job in engine.jobs(ids[:count], 500)) for count in range(8, 13)}
    assert len({order[:2] for order in orders}) > 1
    engine.plant("under way", [Step(at=900, status="SUCCESS")], 500, imagined("cat", None))
    assert engine.jobs([*ids, "under way"], 500)[0].id == "under way"


def test_a_planted_task_follows_its_steps() -> None:
    engine = novicezk()
    steps = [
        Step(at=0, status="IN_PROGRESS", progress="60%"),
        Step(at=4, fields={"extra": 0}),
        Step(at=5, status="SUBMITTED"),
        Step(at=9, status="SUCCESS", fields={"extra": {"a": 1}, "properties": "odd"}),
    ]
    engine.plant("17", steps, 100.0, imagined("p", "s"))
    assert look(engine, "17", 104)["progress"] == "60%"
    final = look(engine, "17", 109)
    assert (final["extra"], final["properties"]) == ({"a": 1}, "odd")
    assert engine.changes("17", 105) == [
        Change(100.0, "IN_PROGRESS", "60%"),
        Change(105.0, "SUBMITTED", "0%"),
    ]
    assert not engine.accepted


def test_an_id_is_planted_once() -> None:
    engine = novicezk()
    engine.plant("17", [Step(at=0)], 0, imagined("p", None))
    with pytest.raises(ValueError, match="task 17 exists already"):
        engine.plant("17", [Step(at=0)], 0, imagined("p", None))


def test_what_is_forgotten_is_unknown() -> None:
    engine = novicezk()
    task_id = submit(engine)["result"]
    assert engine.forget(task_id)
    assert not engine.forget(task_id)
    assert engine.job(task_id) is None
    assert engine.changes(task_id, 1e9) == []


def test_a_link_leads_to_its_picture_for_a_day() -> None:
    """Contract Q15: links of Discord's CDN expire."""
    engine = novicezk()
    engine.cdn = "http://cdn"
    task_id = submit(engine)["result"]
    task = look(engine, task_id, 300)
    link = task["imageUrl"]
    made = task["finishTime"] / 1000 - EPOCH
    path = link.removeprefix("http://cdn")
    assert engine.picture(link, 300) == engine.picture(path, 300) == Picture(task_id, 100)
    assert engine.picture(link, made + LINK_SECONDS - 2) == Picture(task_id, 100)
    assert engine.picture(link, made + LINK_SECONDS + 2) is None
    assert engine.picture(path.partition("?")[0], 1e9) == Picture(task_id, 100)
    assert engine.picture("/attachments/1/2/other.png", 300) is None
    strange = "0" * 8 + "-0000-0000-0000-" + "0" * 12
    assert engine.picture(f"/attachments/1/2/grid_100_{strange}.png", 300) is None
