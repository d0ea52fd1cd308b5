"""Where jobs come from: what is wrong with one, which one it is, and which come first."""

import asyncio
from collections.abc import AsyncIterator, Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest

from mjtask_async import BulkJob, BulkOutcome, BulkRun, ConfigurationError, QuotaError, Task

from ..support_bulk import origin, outcomes, picture, refusal

WRONG: list[tuple[Any, str]] = [
    (7, "int is no job"),
    ({"promt": "a fox"}, "promt"),
    ({"prompt": 7}, "prompt is 7"),
    ({"prompt": "x", "key": 7}, "key is 7"),
    ({"prompt": "x", "images": "a.png"}, "single picture"),
    ({"prompt": "x", "images": 7}, "not iterable"),
    ({"prompt": "x", "images": (5,)}, r"images[0] is 5"),
    ({"prompt": "x", "images": ("\ud83d",)}, "half a character"),
    ({"prompt": "x", "then": "U1"}, "single text"),
    ({"prompt": "x", "then": ["U1", "U1"]}, "pressed once"),
    ({"prompt": "x", "then": ["U1", " U1"]}, "pressed once"),
    ({"prompt": "x", "then": ["\U0001f504", "\U0001f504\ufe0f"]}, "pressed once"),
    ({"prompt": "x", "then": ["\ufe0f"]}, "labels such as U1"),
    ({"prompt": "x", "then": [7]}, "labels such as U1"),
    ({"prompt": "x", "then": 7}, "labels such as U1"),
    ({"prompt": "x", "then": ["\ud83d"]}, "surrogates"),
    ({"prompt": "x", "account_filter": {"modes": object()}}, "object"),
    (" \n", "the prompt is empty"),
    ("\ud83d", "prompt holds half a character"),
    (BulkJob("x", key="\ud83d"), "key holds half a character"),
    ("x" * 2**20, "the prompt has 1,048,576 bytes"),
    (BulkJob("x", key="k"), "another job of this run has the key 'k'"),
    (BulkJob("x", state="s"), "another job of this run has the state 's'"),
]
FIRST = BulkJob("a fox", key="k", state="s")


@pytest.mark.parametrize(("job", "words"), WRONG)
async def test_a_wrong_job_of_a_list_is_named_before_anything_is_sent(job: Any, words: str) -> None:
    async with origin() as (server, session):
        with pytest.raises(ConfigurationError) as caught:
            await outcomes(session, [FIRST, job])

    assert "job 1: " in str(caught.value)
    assert words in str(caught.value)
    assert server.asked == []


@pytest.mark.parametrize("journal", [True, False])
@pytest.mark.parametrize(("job", "words"), WRONG)
async def test_a_wrong_job_under_way_is_its_own_error(
    tmp_path: Path,
    job: Any,
    words: str,
    journal: bool,  # noqa: FBT001
) -> None:
    options = {"journal": tmp_path / "run.db"} if journal else {}
    async with origin() as (server, session):
        found = await outcomes(session, iter([FIRST, job, "an owl"]), ordered=True, **options)

    assert [type(outcome.error) for outcome in found] == [
        *(type(None), ConfigurationError, type(None))
    ]
    assert "job 1: " in str(found[1].error)
    assert words in str(found[1].error)
    assert found[1].errors == {"grid": found[1].error}
    assert server.prompts == {"a fox": 1, "an owl": 1}


async def test_an_outcome_shows_what_could_be_read_of_no_job() -> None:
    given: list[Any] = [7, {"prompt": "a fox", "x": 1}, {"prompt": 7}, BulkJob("a\ud83d"), " "]
    async with origin() as (_, session):
        found = await outcomes(session, iter(given), ordered=True)

    assert [outcome.job.prompt for outcome in found] == ["", "a fox", "", "a\ud83d", " "]


class TestSame:
    """Which job of the journal a job is."""

    @pytest.fixture
    def options(self, tmp_path: Path) -> dict[str, Any]:
        return {"journal": tmp_path / "run.db"}

    async def test_a_picture_is_the_same_wherever_it_lies(
        self, tmp_path: Path, options: dict[str, Any], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (tmp_path / "a.png").write_bytes(picture())
        (tmp_path / "b.png").write_bytes(picture())
        monkeypatch.chdir(tmp_path)
        async with origin() as (server, session):
            for image in (Path("a.png"), tmp_path / "a.png", tmp_path / "b.png", picture()):
                (outcome,) = await outcomes(session, [BulkJob("x", images=(image,))], **options)
                assert outcome.error is None

        assert server.prompts == {"x": 1}

    async def test_a_link_is_the_same_link(self, options: dict[str, Any]) -> None:
        job = BulkJob("x", images=("https://example.com/a.png",))
        async with origin() as (server, session):
            for _ in range(2):
                await outcomes(session, [job], **options)

        assert server.prompts == {"x": 1}

    async def test_a_changed_picture_is_another_job(
        self, tmp_path: Path, options: dict[str, Any]
    ) -> None:
        path = tmp_path / "a.png"
        async with origin() as (server, session):
            for side in (4, 5):
                path.write_bytes(picture(side))
                await outcomes(session, [BulkJob("x", images=(path,))], **options)

        assert server.prompts == {"x": 2}

    async def test_a_picture_that_is_missing_can_be_put_right(
        self, tmp_path: Path, options: dict[str, Any]
    ) -> None:
        path = tmp_path / "a.png"
        jobs = ["a fox", BulkJob("x", images=(path,))]
        async with origin() as (server, session):
            for _ in range(2):
                found = await outcomes(session, jobs, ordered=True, **options)
                assert "job 1: images[0] cannot be read" in str(found[1].error)
            path.write_bytes(picture())
            found = await outcomes(session, jobs, **options)

        assert [outcome.error for outcome in found] == [None, None]
        assert server.prompts == {"a fox": 1, "x": 1}

    async def test_the_order_of_a_filter_s_keys_does_not_count(
        self, options: dict[str, Any]
    ) -> None:
        accounts = {"modes": ["FAST"], "remark": "x"}
        again = dict(reversed(accounts.items()))
        async with origin() as (server, session):
            await outcomes(session, [BulkJob("x", account_filter=accounts)], **options)
            await outcomes(session, [BulkJob("x", account_filter=again)], **options)

        assert server.prompts == {"x": 1}

    @pytest.mark.parametrize("kind", [list, iter])
    async def test_lines_with_other_buttons_may_be_moved(
        self, options: dict[str, Any], kind: Any
    ) -> None:
        a, b = BulkJob("a fox", then=("U1",)), BulkJob("a fox", then=("V1",))
        async with origin() as (server, session):
            await outcomes(session, [a, b], **options)
            found = await outcomes(session, kind([b, a]), **options)

        assert [outcome.resumed for outcome in found] == [True, True]
        assert (server.count("submit/imagine"), server.count("submit/action")) == (2, 2)

    @pytest.mark.parametrize("kind", [list, iter])
    async def test_other_buttons_cost_no_new_prompt(
        self, options: dict[str, Any], kind: Any
    ) -> None:
        a, b, c = (BulkJob("a fox", then=(label,)) for label in ("U1", "V1", "U2"))
        async with origin() as (server, session):
            await outcomes(session, [a, b], **options)
            for jobs in ([c, b], [b, c], [c, b]):
                await outcomes(session, kind(jobs), **options)

        if kind is list:
            assert (server.count("submit/imagine"), server.count("submit/action")) == (2, 3)
        assert server.count("submit/imagine") == 2


async def told(
    jobs: Iterable[Any] | AsyncIterator[Any], session: Any, **options: Any
) -> list[BulkOutcome[Task]]:
    """Run until the quota is spent."""
    async with BulkRun(session, jobs, in_flight=1, **options) as run:
        found: list[BulkOutcome[Task]] = []
        with pytest.raises(QuotaError):  # noqa: PT012 -- it comes behind the outcomes
            async for outcome in run:
                found.append(outcome)  # noqa: PERF401 -- it raises
    return found


async def slowly(jobs: Iterable[str], pause: float = 0.0) -> AsyncIterator[str]:
    for job in jobs:
        await asyncio.sleep(pause)
        yield job


class TestStopped:
    """What a stopped run still tells: the jobs that ended earlier."""

    @pytest.mark.parametrize("ordered", [True, False])
    @pytest.mark.parametrize("kind", [list, iter, slowly])
    async def test_they_are_told_whatever_stands_before_them(
        self,
        tmp_path: Path,
        kind: Any,
        ordered: bool,  # noqa: FBT001
    ) -> None:
        options = {"journal": tmp_path / "run.db", "ordered": ordered}
        async with origin() as (server, session):
            await outcomes(session, ["c", "d"], **options)
            server.hooks["submit/imagine"] = [refusal(4, "quota_not_enough")] * 9
            found = await told(kind(["x", "a", "c", "b", "d"]), session, **options)

        assert [outcome.job.prompt for outcome in found] == ["c", "d"]
        assert all(outcome.resumed for outcome in found)

    async def test_an_endless_source_is_left_some_day(self, tmp_path: Path) -> None:
        pulled = 0

        def endless() -> Iterator[str]:
            nonlocal pulled
            while True:
                pulled += 1
                yield f"new {pulled}"

        options = {"journal": tmp_path / "run.db"}
        async with origin() as (server, session):
            await outcomes(session, ["c", "d"], **options)
            server.hooks["submit/imagine"] = [refusal(4, "quota_not_enough")] * 9
            found = await told(endless(), session, **options)

        assert found == []
        assert pulled <= 1002

    async def test_a_job_whose_picture_was_being_read_is_not_forgotten(
        self, tmp_path: Path
    ) -> None:
        path = tmp_path / "a.png"
        options: dict[str, Any] = {"journal": tmp_path / "run.db"}
        job = BulkJob("c", images=(path,))
        path.write_bytes(picture())
        async with origin() as (server, session):
            await outcomes(session, [job], **options)
            async with BulkRun(session, iter([job]), **options) as run:
                await asyncio.sleep(0)
                run.stop()
                found = [outcome async for outcome in run]

        assert [outcome.resumed for outcome in found] == [True]
        assert server.prompts == {"c": 1}

    @pytest.mark.parametrize("kind", [iter, slowly])
    async def test_a_source_that_ends_is_left(self, tmp_path: Path, kind: Any) -> None:
        options = {"journal": tmp_path / "run.db"}
        async with origin() as (server, session):
            await outcomes(session, ["c"], **options)
            server.hooks["submit/imagine"] = [refusal(4, "quota_not_enough")] * 9
            assert await told(kind(["a", "b"]), session, **options) == []

    async def test_a_slow_source_is_not_waited_for(self, tmp_path: Path) -> None:
        options = {"journal": tmp_path / "run.db"}
        async with origin() as (server, session):
            await outcomes(session, ["c"], **options)
            server.hooks["submit/imagine"] = [refusal(4, "quota_not_enough")] * 9
            started = asyncio.get_running_loop().time()
            jobs = slowly(["a", "b", "c"], 600.0)
            found = await told(jobs, session, **options)

        assert found == []
        assert asyncio.get_running_loop().time() - started < 700

    async def test_a_source_that_fails_meanwhile_is_no_news(self, tmp_path: Path) -> None:
        def source() -> Iterator[str]:
            yield "a"
            raise ZeroDivisionError

        options = {"journal": tmp_path / "run.db"}
        async with origin() as (server, session):
            await outcomes(session, ["c"], **options)
            server.hooks["submit/imagine"] = [refusal(4, "quota_not_enough")] * 9
            assert await told(source(), session, **options) == []

    async def test_a_source_that_times_out_by_itself_ends_the_run(self) -> None:
        async def source() -> AsyncIterator[str]:
            yield "a"
            raise TimeoutError("theirs")

        async with origin() as (_, session):
            with pytest.raises(TimeoutError, match="theirs"):
                await outcomes(session, source())  # type: ignore[arg-type]


async def test_a_long_list_leaves_the_loop_its_turns() -> None:
    turns = 0

    async def count_turns() -> None:
        nonlocal turns
        while True:
            await asyncio.sleep(0)
            turns += 1

    async with origin() as (_, session):
        counting = asyncio.create_task(count_turns())
        async with BulkRun(session, [f"{number}" for number in range(2000)]):
            assert turns > 5
        counting.cancel()
