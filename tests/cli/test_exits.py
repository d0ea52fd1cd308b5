import pytest

from mjtask_async import errors
from mjtask_async.cli import exits


@pytest.mark.parametrize(
    ("expected", "error"),
    [
        (2, errors.ConfigurationError("x")),
        (3, errors.AuthenticationError("x")),
        (4, errors.TransportError("x")),
        (4, errors.ProtocolError("x")),
        (5, errors.QueueFullError("x")),
        (5, errors.SubmitError("x")),
        (6, errors.SubmitUncertainError("x")),
        (7, errors.TaskFailedError("x")),
        (7, errors.TaskNotFoundError("x")),
        (8, errors.OutageError("x")),
        (9, errors.ImageExpiredError("x")),
        (10, errors.ClosedError("x")),
        (11, PermissionError("x")),
        (None, ZeroDivisionError("x")),
        (None, ValueError("x")),
    ],
)
def test_each_family_has_a_code_of_its_own(expected: int | None, error: Exception) -> None:
    assert exits.code_of(error) == expected


def test_every_error_of_the_library_has_a_code_with_a_meaning() -> None:
    for name in dir(errors):
        kind = getattr(errors, name)
        if isinstance(kind, type) and issubclass(kind, errors.MJTaskError):
            assert exits.code_of(kind("x")) in exits.MEANINGS


def test_the_cause_is_found_inside_groups() -> None:
    inner = errors.TransportError("x")
    group = ExceptionGroup("outer", [ExceptionGroup("inner", [inner, ValueError()])])

    assert exits.first_leaf(group) is inner
    assert exits.first_leaf(inner) is inner


def test_a_sentence_is_one_line() -> None:
    assert exits.sentence(errors.TransportError("no\nanswer\x1b[0m")) == "no answer [0m"
    assert exits.sentence(OSError()) == "OSError"


def test_an_uncertain_submit_is_named_by_its_mark() -> None:
    error = errors.SubmitUncertainError("it may have been accepted", state="mark-1")

    assert exits.sentence(error) == "it may have been accepted [state mark-1]"
    assert exits.sentence(errors.SubmitUncertainError("unclear")) == "unclear"
