import pytest
from hypothesis import given, strategies as st

from mjtask_async._core.names import LONGEST, safe_name


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("a cat.png", "a cat.png"),
        ('a/b\\c:d*e?f"g<h>i|j', "a_b_c_d_e_f_g_h_i_j"),
        ("a//b", "a_b"),
        ("../../etc/passwd", "_.._etc_passwd"),
        (" .a. ", "a"),
        ("", "_"),
        (" . ", "_"),
        ("..", "_"),
        ("a\x00\n\x7fb\u2028c\u2029d", "a_b_c_d"),
        ("a\ud800b", "a_b"),
        ("e\u0301", "é"),
        ("漢字", "漢字"),
        ("con", "_con"),
        ("CON", "_CON"),
        ("Con.txt", "_Con.txt"),
        ("nul.tar.gz", "_nul.tar.gz"),
        ("com1", "_com1"),
        ("LPT9.png", "_LPT9.png"),
        ("prn", "_prn"),
        ("aux", "_aux"),
        ("com", "com"),
        ("com10", "com10"),
        ("console", "console"),
        ("a.con", "a.con"),
        ("x" * 100, "x" * 80),
        ("é" * 41, "é" * 40),
        ("x" + "é" * 40, "x" + "é" * 39),
        ("x" * 79 + ".png", "x" * 79),
        ("con." + "x" * 100, "_con." + "x" * 75),
    ],
    ids=ascii,
)
def test_any_text_is_a_file_s_name(text: str, name: str) -> None:
    assert safe_name(text) == name


@given(text=st.text(st.characters()) | st.from_regex(r"(con|nul|com\d)?[./\\ ]{0,3}\w{0,90}"))
def test_a_name_is_short_plain_and_stays_itself(text: str) -> None:
    name = safe_name(text)

    assert 0 < len(name.encode()) <= LONGEST
    assert not set(name) & set('/\\:*?"<>|\n\0')
    assert name == name.strip(" .")
    assert safe_name(name) == name
