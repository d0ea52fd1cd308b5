"""Custom ids, and the names by which buttons are found (contract 8, Q22)."""

import pytest
from hypothesis import given, strategies as st

from mjtask_async import ConfigurationError, CustomId, Task
from mjtask_async._core.custom_id import clean_custom_id
from mjtask_async.models import Button

JOB = "3dbbd469-36af-4a0f-8f02-df6c579e7011"
FORMS = [
    (f"MJ::JOB::upsample::1::{JOB}::SOLO", CustomId("JOB", "upsample", 1, JOB, "SOLO")),
    (f"MJ::JOB::upsample::4::{JOB}", CustomId("JOB", "upsample", 4, JOB)),
    (f"MJ::JOB::reroll::0::{JOB}::SOLO", CustomId("JOB", "reroll", 0, JOB, "SOLO")),
    (f"MJ::JOB::upsample_v6_2x_subtle::1::{JOB}", CustomId("JOB", "upsample_v6_2x_subtle", 1, JOB)),
    (f"MJ::Outpaint::50::1::{JOB}::SOLO", CustomId("Outpaint", "50", 1, JOB, "SOLO")),
    (f"MJ::CustomZoom::{JOB}", CustomId("CustomZoom", job=JOB)),
    (f"MJ::CustomZoom::1::{JOB}", CustomId("CustomZoom", index=1, job=JOB)),
    (f"MJ::Inpaint::1::{JOB}::SOLO", CustomId("Inpaint", None, 1, JOB, "SOLO")),
    ("MJ::Job::PicReader::2", CustomId("Job", "PicReader", 2)),
    ("MJ::Job::PicReader::all", CustomId("Job", "PicReader", suffix="all")),
    ("MJ::Picread::Retry", CustomId("Picread", "Retry")),
    ("MJ::Job::PromptAnalyzer::5", CustomId("Job", "PromptAnalyzer", 5)),
    ("MJ::BOOKMARK::x::y", CustomId("BOOKMARK", "x", suffix="y")),
    ("MJ::JOB::upsample::01::x", CustomId("JOB", "upsample", suffix="01::x")),
    ("MJ::JOB", CustomId("JOB")),
    ("MJ::", CustomId("", suffix="MJ::")),
    ("nocolons", CustomId("", suffix="nocolons")),
    ("", CustomId("", suffix="")),
]


@pytest.mark.parametrize(("text", "expected"), FORMS)
def test_a_custom_id_splits_and_prints_back(text: str, expected: CustomId) -> None:
    assert CustomId.parse(text) == expected
    assert str(expected) == text


@given(st.lists(st.sampled_from(["MJ", "JOB", "upsample", "1", "0", "01", "", "Inpaint", "é²"])))
def test_every_text_survives_the_round_trip(parts: list[str]) -> None:
    text = "::".join(parts)
    assert str(CustomId.parse(text)) == text


@given(st.text())
def test_unknown_forms_survive_too(text: str) -> None:
    assert str(CustomId.parse(text)) == text


@pytest.mark.parametrize("text", [text for text, _ in FORMS[:13]])
def test_what_servers_send_is_well_formed(text: str) -> None:
    assert clean_custom_id(text) == text


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("nocolons", "no '::'"),
        ("", "no '::'"),
        ("::JOB::x", "a part is empty"),
        ("MJ::", "a part is empty"),
        ("MJ::JOB", "no operation"),
        ("MJ::JOB::", "no operation"),
        ("MJ::JOB::upsample", "upsample needs a picture's number"),
        ("MJ::JOB::upsample::x::y", "upsample needs a picture's number"),
        ("MJ::JOB::upsample_v6_2x_subtle", "upsample_v6_2x_subtle needs a picture's number"),
        ("MJ::JOB::variation", "variation needs a picture's number"),
        ("MJ::JOB::reroll\n::0", "give the text of a button's custom_id"),
        (7, "give the text of a button's custom_id"),
    ],
)
def test_q22_a_form_over_which_relays_break_down_is_refused(text: object, why: str) -> None:
    with pytest.raises(ConfigurationError, match="customId") as caught:
        clean_custom_id(text)
    assert why in str(caught.value)


TASK = Task(
    id="1",
    buttons=(
        Button(custom_id="MJ::JOB::upsample::1::job", label="U1", emoji=""),
        Button(custom_id="MJ::JOB::reroll::0::job::SOLO", label="", emoji="🔄"),
        Button(custom_id="MJ::JOB::high_variation::1::job::SOLO", label="Vary (Strong)"),
        Button(custom_id="MJ::JOB::pan_left::1::job::SOLO", emoji="⬅️"),
    ),
)


@pytest.mark.parametrize(
    ("name", "operation"),
    [
        ("U1", "upsample"),
        ("🔄", "reroll"),
        ("Vary (Strong)", "high_variation"),
        ("⬅️", "pan_left"),
        ("⬅", "pan_left"),
        ("MJ::JOB::reroll::0::job::SOLO", "reroll"),
    ],
)
def test_a_button_is_found_by_label_emoji_and_custom_id(name: str, operation: str) -> None:
    assert CustomId.parse(str(TASK.button(name).custom_id)).operation == operation


@pytest.mark.parametrize("name", ["U9", "", " "])
def test_a_missing_button_says_which_there_are(name: str) -> None:
    with pytest.raises(LookupError, match=r"it has: 'U1', '🔄', 'Vary .Strong.', '⬅️'"):
        TASK.button(name)
    with pytest.raises(LookupError, match="it has: none"):
        Task(id="1").button(name)
