import json

import pytest

from mjtask_async.simulator import dialects

TEXT = "a<b>&'+`\"\\\n é猫😀\u2028\x7f"


def test_all_dialects_mean_the_same() -> None:
    for write in (dialects.go_json, dialects.jackson, dialects.dotnet):
        written = write({"key": [TEXT, None, True, 1, 1.5]})
        assert json.loads(written) == {"key": [TEXT, None, True, 1, 1.5]}
        assert written.startswith('{"key":["')


def test_go_escapes_html_and_line_separators_and_nothing_else() -> None:
    assert dialects.go_json(TEXT) == r""""a\u003cb\u003e\u0026'+`\"\\\n é猫😀\u2028""" + '\x7f"'


def test_jackson_escapes_only_what_lies_beyond_the_bmp() -> None:
    """Contract 2.0: non-BMP characters as pairs."""
    assert dialects.jackson("<é猫😀>") == r'"<é猫\uD83D\uDE00>"'


def test_dotnet_escapes_everything_but_plain_ascii() -> None:
    r"""Contract 2.0: non-ASCII as \uXXXX."""
    written = dialects.dotnet(TEXT)
    assert written.isascii()
    assert written == (
        r'"a\u003Cb\u003E\u0026\u0027\u002B\u0060\u0022\\\n \u00E9\u732B\uD83D\uDE00\u2028\u007F"'
    )


@pytest.mark.parametrize("text", ["", "{", "[1", "NaN", '{"a":Infinity}', '"\n"', "[" * 100_000])
def test_reading_is_strict(text: str) -> None:
    for read in (dialects.read_json, dialects.read_first_json):
        with pytest.raises(ValueError, match=r"."):
            read(text)


def test_text_after_the_value_matters_to_one_reader_only() -> None:
    assert dialects.read_first_json(' {"a":1} and more') == {"a": 1}
    with pytest.raises(ValueError, match="Extra data"):
        dialects.read_json('{"a":1} and more')


def test_a_value_is_an_object_or_an_array_or_neither() -> None:
    assert dialects.as_object({"a": 1}) == {"a": 1}
    assert dialects.as_array([1]) == [1]
    assert dialects.as_object([1]) is None
    assert dialects.as_array({"a": 1}) is None
