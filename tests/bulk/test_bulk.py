"""Bulk runs from prompts to outcomes: order, back-pressure, buttons, what stops them."""

import asyncio
import gc
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

from mjtask_async import (
    AuthenticationError,
    BannedPromptError,
    BulkJob,
    BulkOutcome,
    BulkRun,
    ClosedError,
    ConfigurationError,
    DownloadError,
    MJSession,
    NeedsInputError,
    OutageError,
    QuotaError,
    RateLimitedError,
    SubmitRejectedError,
    SubmitUncertainError,
    Task,
    TaskFailedError,
    TaskTimeoutError,
    TaskWatcher,
    UnsupportedError,
    WatchLimits,
)
from mjtask_async.simulator import Fault, Simulator

from ..support_bulk import Origin, always, origin, outcomes, refusal
from ..support_cancel import cancel_everywhere
from ..support_stub import DATA_URL, PNG, Asked, Reply, accepted, says

MINUTE = 60.0


def files(folder: Path, pattern: str) -> list[str]:
    return sorted(path.name for path in folder.glob(pattern))


def now() -> float:
    return asyncio.get_running_loop().time()


async def test_each_prompt_becomes_one_outcome() -> None:
    async with origin() as (server, session):
        found = await outcomes(session, ["a fox", BulkJob("an owl"), {"prompt": "a hare"}])

    assert sorted(outcome.index for outcome in found) == [0, 1, 2]
    assert server.prompts == {"a fox": 1, "an owl": 1, "a hare": 1}
    assert all(o.error is None and len(o.tasks) == 1 and not o.resumed for o in found)
    assert {o.job.prompt for o in found} == set(server.prompts)


async def test_no_jobs_are_no_outcomes() -> None:
    async with origin() as (server, session):
        assert await outcomes(session, []) == []
    assert server.asked == []


async def test_a_job_s_own_words_go_along() -> None:
    job = BulkJob(
        "a fox",
        images=("https://example.com/a.png", PNG),
        state="mine",
        bot="NIJI_JOURNEY",
        account_filter={"modes": ["FAST"]},
        notify_hook="https://example.com/hook",
    )
    async with origin() as (server, session):
        await outcomes(session, [job])

    sent = server.asked[0].json
    assert sent == {
        "prompt": "a fox",
        "base64Array": ["https://example.com/a.png", DATA_URL],
        "state": "mine",
        "botType": "NIJI_JOURNEY",
        "accountFilter": {"modes": ["FAST"]},
        "notifyHook": "https://example.com/hook",
    }


@pytest.mark.parametrize("ordered", [False, True])
async def test_outcomes_come_as_they_finish_or_in_order(ordered: bool) -> None:  # noqa: FBT001
    async with (
        Simulator(profile="novicezk") as sim,
        MJSession(sim.base_url, sim.api_key, auth=sim.auth) as session,
        TaskWatcher(session) as watcher,
    ):
        run = BulkRun(
            session, [f"{n}" for n in range(8)], watcher=watcher, ordered=ordered, in_flight=3
        )
        async with run:
            indices = [outcome.index async for outcome in run]
        assert watcher.statistics().watched == 0
        assert [o async for o in watcher.watch()] == []  # it is still open

    assert (indices == list(range(8))) is ordered
    assert sorted(indices) == list(range(8))


async def test_jobs_are_pulled_only_as_far_as_there_is_room() -> None:
    pulled = 0

    async def source() -> AsyncIterator[str]:
        nonlocal pulled
        for number in range(50):
            pulled += 1
            yield f"{number}"

    taken = 0
    async with origin() as (_, session), BulkRun(session, source(), in_flight=4) as run:
        async for _outcome in run:
            taken += 1
            assert pulled - taken <= 4
            await asyncio.sleep(30)
        statistics = run.statistics()

    assert taken == pulled == statistics.pulled == statistics.outcomes == 50
    assert statistics.in_flight == 0


async def test_a_run_that_nobody_reads_stands_still() -> None:
    async with origin() as (server, session), BulkRun(session, iter("abcdefgh"), in_flight=2):
        await asyncio.sleep(MINUTE)

    assert server.count("submit/imagine") == 2


async def test_buttons_are_pressed_each_for_a_task_of_its_own() -> None:
    jobs = ["a fox", BulkJob("an owl", then=()), {"prompt": "a hare", "then": ["V1"]}]
    async with origin() as (server, session):
        found = await outcomes(session, jobs, then=("U1", "U2"), ordered=True)

    assert [len(outcome.tasks) for outcome in found] == [3, 1, 2]
    pressed = [each.json["customId"] for each in server.asked if each.path == "submit/action"]
    assert sorted(custom_id.split("::")[2] for custom_id in pressed) == ["U1", "U2", "V1"]


async def test_a_button_that_fails_leaves_the_others_be() -> None:
    async with origin() as (server, session):
        server.hooks["submit/action"] = [refusal(4, "no such thing")]
        (outcome,) = await outcomes(session, ["a fox"], then=("U1", "U2"))

    assert isinstance(outcome.error, SubmitRejectedError)
    assert outcome.errors == {"U1": outcome.error}
    assert len(outcome.tasks) == 2


@pytest.mark.parametrize("uncertain", [0, 1, 2])
async def test_what_may_have_been_paid_for_is_not_hidden_by_another_error(
    tmp_path: Path, uncertain: int
) -> None:
    async with origin() as (server, session):
        hooks = [refusal(24, "banned"), refusal(4, "no such thing")]
        hooks.insert(uncertain, always(Reply(500, "who knows")))
        server.hooks["submit/action"] = hooks
        server.hooks["submit/imagine"] = [lambda asked: server.submit(asked, imageUrl=None)]
        options: dict[str, Any] = {"then": ("U1", "U2", "V1"), "download_to": tmp_path}
        (outcome,) = await outcomes(session, ["a fox"], **options)

    assert isinstance(outcome.error, SubmitUncertainError)
    assert list(outcome.errors) == ["grid", "U1", "U2", "V1"]
    assert outcome.errors[("U1", "U2", "V1")[uncertain]] is outcome.error
    assert isinstance(outcome.errors["grid"], DownloadError)


async def test_an_unknown_button_is_the_job_s_error() -> None:
    async with origin() as (_, session):
        (outcome,) = await outcomes(session, ["a fox"], then=("U9",))

    assert isinstance(outcome.error, ConfigurationError)
    assert "'U9'" in str(outcome.error)


def waits_for_input(server: Origin, code: int) -> Any:
    def act(asked: Asked) -> Reply:
        task_id = server.submit(asked, status="MODAL", progress="0%").body
        found = list(server.rows)[-1]
        del task_id
        words = "Waiting for window confirm" if code == 21 else "ok"
        return accepted(found, code, description=words)

    return act


@pytest.mark.parametrize("code", [21, 1])
async def test_a_button_that_asks_for_more_is_answered(code: int) -> None:
    async with origin() as (server, session):
        server.hooks["submit/action"] = [waits_for_input(server, code)]
        (outcome,) = await outcomes(session, ["a fox"], then=("V1",))

    assert outcome.error is None
    assert [task.status for task in outcome.tasks] == ["SUCCESS", "SUCCESS"]
    assert server.count("submit/modal") == 1


async def test_a_second_request_that_is_refused_is_the_job_s_error() -> None:
    async with origin() as (server, session):
        server.hooks["submit/action"] = [waits_for_input(server, 21)]
        server.hooks["submit/modal"] = [refusal(4, "no")]
        (outcome,) = await outcomes(session, ["a fox"], then=("V1",))

    assert isinstance(outcome.error, SubmitRejectedError)


async def test_a_task_that_asks_for_more_after_the_answer_waits_out_its_limit() -> None:
    async with origin() as (server, session):
        server.hooks["submit/action"] = [waits_for_input(server, 21)]
        server.hooks["submit/modal"] = [lambda asked: accepted(asked.json["taskId"])]
        limits = WatchLimits(total=120.0)
        (outcome,) = await outcomes(session, ["a fox"], then=("V1",), limits=limits)

    assert isinstance(outcome.error, TaskTimeoutError | NeedsInputError)


async def test_a_failed_task_is_its_job_s_outcome() -> None:
    async with origin() as (server, session):
        failure = {"status": "FAILURE", "failReason": "no luck", "progress": ""}
        server.hooks["submit/imagine"] = [lambda asked: server.submit(asked, **failure)]
        found = await outcomes(session, ["a fox", "an owl"], ordered=True)

    assert isinstance(found[0].error, TaskFailedError)
    assert found[1].error is None


async def test_a_banned_prompt_is_final_with_the_server_s_words() -> None:
    async with origin() as (server, session):
        server.hooks["submit/imagine"] = [refusal(24, "banned: fox")]
        (outcome,) = await outcomes(session, ["a fox"])

    assert isinstance(outcome.error, BannedPromptError)
    assert "banned: fox" in str(outcome.error)
    assert server.count("submit/imagine") == 1


@pytest.mark.parametrize(
    "hook",
    [
        refusal(23, "队列已满"),
        refusal(3, "无可用的账号实例"),
        refusal(30, "saturated", 429),
        always(says({"error": {"message": "分组 x 无可用渠道", "type": "new_api_error"}}, 503)),
    ],
    ids=["queue", "account", "saturated", "channel"],
)
async def test_what_will_pass_slows_the_run_and_fails_no_job(hook: Any) -> None:
    async with origin(attempts=1) as (server, session):
        server.hooks["submit/imagine"] = [hook, hook]
        async with BulkRun(session, ["a fox"], in_flight=1) as run:
            await asyncio.sleep(3)
            assert run.statistics().is_slowed
            found = [outcome async for outcome in run]
            assert not run.statistics().is_slowed or found
    assert [outcome.error for outcome in found] == [None]
    assert server.count("submit/imagine") == 3
    assert now() >= 10


async def test_a_full_queue_costs_few_submits() -> None:
    async with (
        Simulator(profile="novicezk", workers=3, queue_size=2) as sim,
        MJSession(sim.base_url, sim.api_key, auth=sim.auth) as session,
    ):
        found = await outcomes(session, [f"{n}" for n in range(60)], in_flight=20)

        assert len(found) == len(sim.accepted) == 60
        submits = sum(request.endpoint == "submit/imagine" for request in sim.requests)
    assert submits < 60 * 2


async def stopped(run: BulkRun[Task]) -> tuple[list[BulkOutcome[Task]], BaseException]:
    found: list[BulkOutcome[Task]] = []
    with pytest.raises(Exception) as caught:  # noqa: PT011, PT012 -- looked at by the caller
        async for outcome in run:
            found.append(outcome)  # noqa: PERF401 -- it raises
    with pytest.raises(type(caught.value)):
        await anext(run)
    return found, caught.value


@pytest.mark.parametrize(
    ("hook", "error"),
    [
        (refusal(4, "quota is not enough"), QuotaError),
        (always(Reply(404, "")), UnsupportedError),
        (always(Reply(301, "", {"Location": "https://elsewhere"})), SubmitRejectedError),
    ],
    ids=["quota", "unsupported", "redirected"],
)
async def test_what_meets_every_job_stops_the_run(hook: Any, error: type[Exception]) -> None:
    async with origin() as (server, session):
        server.hooks["submit/imagine"] = [lambda _: None, *[hook] * 30]
        async with BulkRun(session, [f"{n}" for n in range(30)], in_flight=5) as run:
            found, raised = await stopped(run)

    assert [outcome.error for outcome in found] == [None]  # what ran is finished
    assert isinstance(raised, error)
    assert server.count("submit/imagine") <= 8


async def test_a_server_that_asks_for_a_day_stops_the_run(tmp_path: Path) -> None:
    async with origin() as (server, session):
        later = Reply(429, "", {"Retry-After": "86400"})
        server.hooks["submit/imagine"] = [lambda _: None, always(later)]
        options: dict[str, Any] = {"in_flight": 1, "journal": tmp_path / "run.db"}
        async with BulkRun(session, ["a fox", "an owl"], **options) as run:
            found, raised = await stopped(run)
        assert now() < MINUTE
        again = await outcomes(session, ["a fox", "an owl"], **options)

    assert ([outcome.error for outcome in found], type(raised)) == ([None], RateLimitedError)
    assert "asks to wait 86400 s" in str(raised)
    assert [outcome.error for outcome in again] == [None, None]


async def test_a_key_that_is_refused_for_ten_seconds_stops_the_run() -> None:
    async with origin() as (server, session):
        server.hooks["submit/imagine"] = [always(Reply(401, "no"))] * 99
        async with BulkRun(session, ["a fox", "an owl"]) as run:
            found, raised = await stopped(run)

    assert (found, type(raised)) == ([], AuthenticationError)
    assert now() >= 10


async def test_a_key_that_is_refused_for_a_moment_does_not() -> None:
    async with origin() as (server, session):
        server.hooks["submit/imagine"] = [always(Reply(401, "no"))] * 2
        assert len(await outcomes(session, ["a fox"])) == 1


async def test_a_server_that_cannot_be_reached_stops_the_run() -> None:
    async with MJSession("http://127.0.0.1:9", "k", auth="bearer", attempts=1) as session:
        run = BulkRun(session, ["a fox"], limits=WatchLimits(outage=60.0))
        async with run:
            found, raised = await stopped(run)

    assert (found, type(raised)) == ([], OutageError)
    assert MINUTE <= now() < 3 * MINUTE


async def test_an_outage_while_watching_stops_the_run() -> None:
    async with origin(attempts=1) as (server, session):
        for endpoint in ("task/list-by-condition", "task/1700000000000000/fetch"):
            server.hooks[endpoint] = [always(Reply(500, "no"))] * 9999
        async with BulkRun(session, ["a fox"], limits=WatchLimits(outage=60.0)) as run:
            found, raised = await stopped(run)

    assert (found, type(raised)) == ([], OutageError)


async def test_uncertain_submits_are_reported_and_ten_in_a_row_stop_the_run() -> None:
    async with origin() as (server, session):
        server.hooks["submit/imagine"] = [always(Reply(500, "who knows"))] * 99
        async with BulkRun(session, [f"{n}" for n in range(99)], in_flight=4) as run:
            found, raised = await stopped(run)

    assert len(found) >= 10
    assert all(isinstance(outcome.error, SubmitUncertainError) for outcome in found)
    assert isinstance(raised, SubmitUncertainError)
    assert server.count("submit/imagine") == len(found) < 20


async def test_an_uncertain_submit_may_be_sent_again_if_so_wished() -> None:
    async with origin() as (server, session):
        server.hooks["submit/imagine"] = [always(Reply(500, "who knows"))] * 2
        jobs = [BulkJob("a fox", state="mine"), "an owl"]
        found = await outcomes(session, jobs, on_uncertain="resubmit", in_flight=1)

    assert [outcome.error for outcome in found] == [None, None]
    states = [each.json["state"] for each in server.asked if each.path == "submit/imagine"]
    assert len(states) == 4
    assert states.count("mine") == 3


async def test_the_wished_state_is_new_unless_it_is_the_caller_s() -> None:
    async with origin() as (server, session):
        server.hooks["submit/imagine"] = [always(Reply(500, "who knows"))]
        await outcomes(session, ["an owl"], on_uncertain="resubmit")

    states = [each.json["state"] for each in server.asked if each.path == "submit/imagine"]
    assert len(set(states)) == 2


async def test_an_uncertain_submit_is_looked_for_at_once() -> None:
    async with origin(lists=True) as (server, session):

        def take_and_fail(asked: Asked) -> Reply:
            server.submit(asked)
            return Reply(502, "bad gateway")

        server.hooks["submit/imagine"] = [take_and_fail]
        (outcome,) = await outcomes(session, ["a fox"])

    assert outcome.error is None
    assert server.count("submit/imagine") == 1


async def test_a_list_that_fails_proves_nothing() -> None:
    async with origin(lists=True, attempts=1) as (server, session):
        server.hooks["submit/imagine"] = [always(Reply(502, "bad gateway"))] * 2
        failing = always(Reply(500, "no"))
        server.hooks["task/list"] = [failing, lambda _: None, failing]
        found = await outcomes(session, ["a fox", "an owl"], in_flight=1)

    assert all(isinstance(outcome.error, SubmitUncertainError) for outcome in found)


async def test_an_error_of_the_source_ends_the_run_after_what_runs() -> None:
    def source() -> Iterator[str]:
        yield "a fox"
        raise ZeroDivisionError

    async with origin() as (_, session), BulkRun(session, source()) as run:
        found, raised = await stopped(run)

    assert ([outcome.error for outcome in found], type(raised)) == ([None], ZeroDivisionError)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"jobs": "a fox"}, "single str"),
        ({"jobs": 7}, "jobs is a int"),
        ({"in_flight": 0}, "in_flight is 0"),
        ({"on_uncertain": "hope"}, "on_uncertain is 'hope'"),
        ({"then": "U1"}, "single text"),
        ({"names": "x"}, "names is 'x'"),
    ],
)
async def test_a_wrong_argument_is_named(options: dict[str, Any], words: str) -> None:
    async with origin() as (_, session):
        with pytest.raises(ConfigurationError, match=words):
            BulkRun(session, **{"jobs": [], **options})


async def test_a_run_is_iterated_inside_its_block_and_entered_once() -> None:
    async with origin() as (_, session):
        run = BulkRun(session, ["a fox"])
        with pytest.raises(ClosedError):
            await anext(run)
        run.stop()
        assert run.statistics().pulled == 0
        assert repr(run) == "<BulkRun 0 under way, 0 outcomes>"
        async with run:
            assert len([outcome async for outcome in run]) == 1
        assert repr(run) == "<BulkRun closed, 1 outcomes>"
        await run.aclose()
        with pytest.raises(ClosedError):
            await anext(run)
        with pytest.raises(ClosedError):
            await run.__aenter__()
        unused = BulkRun(session, [])
        await unused.aclose()


async def test_a_stopped_run_finishes_what_runs() -> None:
    async with (
        Simulator(profile="novicezk", workers=20) as sim,
        MJSession(sim.base_url, sim.api_key, auth=sim.auth) as session,
        BulkRun(session, (f"{n}" for n in range(100)), in_flight=10) as run,
    ):
        await asyncio.sleep(10)
        run.stop()
        found = [outcome async for outcome in run]

        assert len(found) == len(sim.accepted) == 10
        assert all(outcome.error is None for outcome in found)


async def test_leaving_early_leaves_nothing_behind(tmp_path: Path) -> None:
    before = asyncio.all_tasks()
    async with (
        Simulator(profile="novicezk") as sim,
        MJSession(sim.base_url, sim.api_key, auth=sim.auth) as session,
    ):
        with pytest.raises(ZeroDivisionError):  # noqa: PT012 -- it is the block's
            async with BulkRun(
                session, [f"{n}" for n in range(9)], download_to=tmp_path, journal=tmp_path / "j"
            ) as run:
                await anext(run)
                raise ZeroDivisionError
        assert len(files(tmp_path, "*.png")) <= 4
        assert not files(tmp_path, ".*")
    gc.collect()
    assert asyncio.all_tasks() <= before


async def test_a_reader_that_waits_learns_of_the_end() -> None:
    async with origin() as (server, session):
        server.hooks["task/list-by-condition"] = [always(says([]))] * 999
        run = await BulkRun(session, ["a fox"]).__aenter__()
        reader = asyncio.ensure_future(anext(run))
        await asyncio.sleep(5)
        await run.aclose()
        with pytest.raises(ClosedError):
            await reader


async def test_a_submit_under_way_gets_its_answer_before_the_end(tmp_path: Path) -> None:
    async with (
        Simulator(profile="novicezk") as sim,
        MJSession(sim.base_url, sim.api_key, auth=sim.auth) as session,
    ):
        sim.script("submit/imagine", Fault.slow(5.0))
        sim.script("submit/imagine", Fault.slow(500.0))
        run = BulkRun(session, ["a fox", "an owl"], journal=tmp_path / "run.db")
        async with run:
            await asyncio.sleep(1)
        assert now() == 11  # ten seconds of grace
        found = await outcomes(session, ["a fox", "an owl"], journal=tmp_path / "run.db")

        assert len(sim.accepted) == 2
        assert [outcome.error for outcome in found] == [None, None]


async def test_cancelled_anywhere_it_leaves_nothing(tmp_path: Path) -> None:
    async with origin() as (_, session):
        number = iter(range(99_999))

        async def whole() -> None:
            folder = tmp_path / f"{next(number)}"
            folder.mkdir()
            options = {"journal": folder / "j", "download_to": folder / "p", "then": ("U1",)}
            assert len(await outcomes(session, ["a fox"], **options)) == 1

        async def check() -> None:
            assert not files(tmp_path, "*/p/.*")

        assert await cancel_everywhere(whole, check) > 10
