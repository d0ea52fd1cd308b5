"""Fields and ranges of submits (contract 1.5): refused before anything is sent."""

from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from mjtask_async import ConfigurationError, TaskAction
from mjtask_async._core import calls
from mjtask_async._core.calls import Common, Video
from mjtask_async._core.media import LARGEST_BODY
from mjtask_async._core.press import pressed, without_buttons
from mjtask_async._core.wire import Request
from mjtask_async.models import Button, Task

if TYPE_CHECKING:
    from collections.abc import Callable

STATE = Common("s")
DATA, LINK = "data:image/png;base64,AAAA", "https://host/a.png"


def sent(request: Request) -> Any:
    assert request.body is not None
    return msgspec.json.decode(request.body)


def test_everything_a_submit_may_carry_has_its_name_on_the_wire() -> None:
    common = Common("s", "https://host/hook", "NIJI_JOURNEY", {"modes": ["FAST"], "remark": "x"})
    assert sent(calls.imagine(common, "a cat", [DATA])) == {
        "prompt": "a cat",
        "base64Array": [DATA],
        "botType": "NIJI_JOURNEY",
        "accountFilter": {"modes": ["FAST"], "remark": "x"},
        "state": "s",
        "notifyHook": "https://host/hook",
    }


def test_what_is_none_stays_out() -> None:
    assert sent(calls.imagine(STATE, "a cat", ())) == {"prompt": "a cat", "state": "s"}
    assert sent(calls.video(STATE, "x", Video())) == {"prompt": "x", "state": "s"}


@pytest.mark.parametrize(
    ("common", "field"),
    [
        (Common(""), "state"),
        (Common("x" * 256), "state"),
        (Common(7), "state"),  # type: ignore[arg-type]
        (Common("s", "ftp://host"), "notify_hook"),
        (Common("s", "https://" + "x" * 1993), "notify_hook"),
        (Common("s", 7), "notify_hook"),  # type: ignore[arg-type]
        (Common("s", bot="mj bot"), "bot is 'mj bot'; use one of MID_JOURNEY, NIJI_JOURNEY"),
        (Common("s", account_filter={"modes": ["QUICK"]}), "RELAX, FAST, TURBO"),
        (Common("s", account_filter={"modes": "FAST"}), "use a list"),
        (Common("s", account_filter=["FAST"]), "account_filter"),  # type: ignore[arg-type]
        (Common("s", account_filter={"remark": object()}), "submit/imagine is no JSON"),
    ],
)
def test_what_every_submit_may_carry_has_its_range(common: Common, field: str) -> None:
    with pytest.raises(ConfigurationError, match=field):
        calls.imagine(common, "a cat", ())


def test_the_longest_texts_are_taken() -> None:
    common = Common("x" * 255, "https://" + "x" * 1992, account_filter={"modes": None})
    assert len(sent(calls.imagine(common, "a cat", ()))["notifyHook"]) == 2000


@pytest.mark.parametrize("prompt", ["", "  \n", None, 7])
def test_a_prompt_is_needed(prompt: Any) -> None:
    wanting: list[Callable[[], Request]] = [
        lambda: calls.imagine(STATE, prompt, ()),
        lambda: calls.shorten(STATE, prompt),
        lambda: calls.edit(STATE, prompt, DATA, None),
        lambda: calls.video(STATE, prompt, Video()),
    ]
    for call in wanting:
        with pytest.raises(ConfigurationError, match="prompt is empty"):
            call()


def test_a_prompt_that_is_no_unicode_is_no_json() -> None:
    with pytest.raises(ConfigurationError, match="no JSON"):
        calls.shorten(STATE, "\ud800")


@pytest.mark.parametrize("count", [0, 1, 6])
def test_blend_takes_two_to_five_pictures(count: int) -> None:
    with pytest.raises(ConfigurationError, match=f"images has {count} pictures; give 2 to 5"):
        calls.blend(STATE, [DATA] * count, "SQUARE")
    assert len(sent(calls.blend(STATE, [DATA] * 5, "SQUARE"))["base64Array"]) == 5


def test_blend_has_three_dimensions() -> None:
    with pytest.raises(ConfigurationError, match=r"dimensions is 'square'.*PORTRAIT, SQUARE, LAND"):
        calls.blend(STATE, [DATA] * 2, "square")
    assert sent(calls.blend(STATE, [DATA] * 2, "PORTRAIT"))["dimensions"] == "PORTRAIT"


def test_describe_sends_a_link_as_link_and_data_as_base64() -> None:
    assert sent(calls.describe(STATE, LINK, "zh")) == {"link": LINK, "language": "zh", "state": "s"}
    assert sent(calls.describe(STATE, DATA, None)) == {"base64": DATA, "state": "s"}
    with pytest.raises(ConfigurationError, match="language"):
        calls.describe(STATE, DATA, "")


@pytest.mark.parametrize(
    ("action", "index", "words"),
    [
        ("upscale", 1, "UPSCALE, VARIATION, REROLL"),
        ("", 1, "action"),
        ("ZOOM", 1, "action"),
        ("UPSCALE", None, "index is needed for UPSCALE; use 1 to 4"),
        ("UPSCALE", 0, "from 1 to 4"),
        ("VARIATION", 5, "from 1 to 4"),
        ("VARIATION", True, "from 1 to 4"),
        ("VARIATION", "2", "from 1 to 4"),
    ],
)
def test_change_has_three_actions_and_four_pictures(action: str, index: Any, words: str) -> None:
    with pytest.raises(ConfigurationError, match=words):
        calls.change(STATE, "7", action, index)


def test_a_reroll_carries_an_index_because_relays_want_one() -> None:
    expected = {"taskId": "7", "action": "REROLL", "index": 1, "state": "s"}
    assert sent(calls.change(STATE, " 7 ", TaskAction.REROLL, None)) == expected


def test_ids_are_checked() -> None:
    wanting: list[Callable[[], Request]] = [
        lambda: calls.change(STATE, "a/b", "REROLL", 1),
        lambda: calls.action(STATE, "", "MJ::JOB::reroll::0::x"),
        lambda: calls.modal(STATE, "..", None, None),
        lambda: calls.video(STATE, "x", Video(action="extend", task_id="a b")),
    ]
    for call in wanting:
        with pytest.raises(ConfigurationError, match="no task id"):
            call()


def test_a_modal_takes_a_prompt_and_a_mask_that_is_no_link() -> None:
    assert sent(calls.modal(STATE, "7", "zoom --zoom 2", DATA)) == {
        "taskId": "7",
        "prompt": "zoom --zoom 2",
        "maskBase64": DATA,
        "state": "s",
    }
    for prompt, mask, field in (("", None, "prompt"), (None, LINK, "mask is a link")):
        with pytest.raises(ConfigurationError, match=field):
            calls.modal(STATE, "7", prompt, mask)


def test_a_swap_sends_each_picture_as_what_it_is() -> None:
    request = calls.swap_face(STATE, DATA, LINK)
    assert request.path == "insight-face/swap"
    assert sent(request) == {"sourceBase64": DATA, "targetUrl": LINK, "state": "s"}
    assert sent(calls.swap_face(STATE, LINK, DATA)) == {
        "sourceUrl": LINK,
        "targetBase64": DATA,
        "state": "s",
    }


def test_a_video_has_all_its_fields() -> None:
    options = Video(
        image=LINK,
        end_image=DATA,
        motion="high",
        loop=False,
        action="extend",
        task_id="7",
        index=0,
        video_type="vid_1.1_i2v_720",
        batch_size=2,
    )
    assert sent(calls.video(STATE, "fly", options)) == {
        "prompt": "fly",
        "image": LINK,
        "endImage": DATA,
        "motion": "high",
        "loop": False,
        "videoType": "vid_1.1_i2v_720",
        "batchSize": 2,
        "action": "extend",
        "index": 0,
        "taskId": "7",
        "state": "s",
    }


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"motion": "fast"}, "motion is 'fast'; use one of low, high"),
        ({"video_type": "hd"}, "vid_1.1_i2v_480, vid_1.1_i2v_720"),
        ({"batch_size": 3}, "batch_size is 3; use one of 1, 2, 4"),
        ({"batch_size": True}, "batch_size"),
        ({"loop": "yes"}, "loop is 'yes'; use True or False"),
        ({"action": "shrink", "task_id": "7"}, "action is 'shrink'; use extend"),
        ({"action": "extend"}, "go together"),
        ({"task_id": "7"}, "go together"),
        ({"index": 4}, "index is 4; use a whole number from 0 to 3"),
    ],
)
def test_a_video_has_ranges(options: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigurationError, match=words):
        calls.video(STATE, "fly", Video(**options))


def test_an_upload_needs_a_picture() -> None:
    with pytest.raises(ConfigurationError, match="images is empty"):
        calls.upload(STATE, [])
    assert sent(calls.upload(STATE, [DATA]))["base64Array"] == [DATA]


def test_a_request_has_at_most_what_every_server_takes() -> None:
    with pytest.raises(ConfigurationError, match="servers take 30,000,000"):
        calls.upload(STATE, ["x" * LARGEST_BODY])


def test_a_label_alone_says_nothing_and_a_custom_id_everything() -> None:
    assert pressed("7", "U1") is None
    assert pressed("7", "MJ::Picread::Retry") == pressed(
        Task(id="7"), Button(custom_id="MJ::Picread::Retry")
    )
    for nothing in (Button(), ""):
        with pytest.raises(ConfigurationError, match="no custom id"):
            pressed("7", nothing)


@pytest.mark.parametrize(
    ("name", "body"),
    [
        ("U1", {"action": "UPSCALE", "index": 1}),
        ("V4", {"action": "VARIATION", "index": 4}),
        ("🔄", {"action": "REROLL", "index": 1}),
        ("R", {"action": "REROLL", "index": 1}),
    ],
)
def test_without_buttons_a_label_becomes_a_change(name: str, body: dict[str, Any]) -> None:
    request = without_buttons("7", name).request(STATE)
    assert request.path == "submit/change"
    assert sent(request) == {"taskId": "7", "state": "s", **body}


@pytest.mark.parametrize("name", ["U5", "Vary (Strong)", "u1"])
def test_without_buttons_there_are_no_others(name: str) -> None:
    with pytest.raises(ConfigurationError, match="use U1 to U4, V1 to V4 or 🔄"):
        without_buttons("7", name)
