import copy
import inspect
import pickle
import re
from typing import Any

import pytest

from mjtask_async import errors
from mjtask_async.errors import MJTaskError

from .support import task

KINDS = {
    name: kind
    for name, kind in vars(errors).items()
    if inspect.isclass(kind) and issubclass(kind, MJTaskError)
}
PUBLIC = {name: kind for name, kind in KINDS.items() if not name.startswith("_")}
WHERE: dict[str, Any] = {
    "status": 503,
    "endpoint": "GET /mj/x",
    "request_id": "r1",
    "retry_after": 7.5,
}


def fields_of(kind: type[MJTaskError]) -> dict[str, Any]:
    """Make a value for each keyword an error takes."""
    values: dict[str, Any] = {
        **WHERE,
        "excerpt": "<html>",
        "code": 23,
        "description": "full",
        "state": "st-1",
        "sent_at": 5.0,
        "task_id": "1",
        "task": task("FAILURE"),
        "limit": "total",
        "ids": ("1", "2"),
        "tasks": {"1": task()},
        "url": "https://x/y.png",
    }
    taken: set[str] = set()
    for parent in kind.__mro__:
        if issubclass(parent, MJTaskError) and "__init__" in vars(parent):
            taken |= set(inspect.signature(parent).parameters)
    return {name: value for name, value in values.items() if name in taken}


def drawn() -> dict[str, str]:
    """Read the tree in the docstring: name to parent."""
    parents: dict[str, str] = {}
    above: list[tuple[int, str]] = []
    for line in (errors.__doc__ or "").splitlines():
        match = re.match(r"([ │├└─]*)(\w+Error)\b", line)
        if match is None or line.startswith("Errors"):
            continue
        depth = len(match[1])
        above = [(column, name) for column, name in above if column < depth]
        parents[match[2]] = above[-1][1] if above else ""
        above.append((depth, match[2]))
    return parents


def test_the_tree_is_as_drawn() -> None:
    real = {}
    for name, kind in PUBLIC.items():
        parents = [each.__name__ for each in kind.__mro__[1:] if each.__name__ in PUBLIC]
        real[name] = parents[0] if parents else ""

    assert drawn() == real


def test_a_wrong_argument_is_a_value_error() -> None:
    assert issubclass(errors.ConfigurationError, ValueError)


@pytest.mark.parametrize("name", PUBLIC)
def test_an_error_has_its_fields_and_keeps_them(name: str) -> None:
    kind, fields = PUBLIC[name], fields_of(PUBLIC[name])
    error = kind("what happened", **fields)
    pickled = pickle.loads(pickle.dumps(error))  # noqa: S301 -- our own bytes

    for each in (error, pickled, copy.copy(error), copy.deepcopy(error)):
        assert type(each) is kind
        assert each.args == ("what happened",)
        assert {field: getattr(each, field) for field in fields} == fields
        assert vars(each) == vars(error)
        assert str(each) == str(error)


@pytest.mark.parametrize("name", PUBLIC)
def test_an_error_needs_a_message_only(name: str) -> None:
    error = PUBLIC[name]("what happened")

    assert str(error) == "what happened"
    assert not any(vars(error).values())


def test_an_authentication_error_names_what_it_concerns_later() -> None:
    error = errors.AuthenticationError("no", **WHERE)
    error.ids, error.tasks = ("1",), {"1": task()}

    assert vars(copy.copy(error)) == vars(error)


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({}, "m"),
        ({"endpoint": "GET /mj/x"}, "m (GET /mj/x)"),
        ({"status": 503}, "m (HTTP 503)"),
        ({"endpoint": "GET /mj/x", "status": 503}, "m (GET /mj/x: HTTP 503)"),
        ({"endpoint": "GET /mj/x", "request_id": "r"}, "m (GET /mj/x, request r)"),
        (WHERE, "m (GET /mj/x: HTTP 503, request r1)"),
        ({"retry_after": 5.0}, "m"),
    ],
)
@pytest.mark.parametrize("kind", [errors.ServerError, errors.SubmitUncertainError])
def test_an_error_says_what_and_where(
    kind: type[errors.RequestError], fields: dict[str, Any], text: str
) -> None:
    assert str(kind("m", **fields)) == text


def test_the_where_of_an_error_makes_another_one() -> None:
    error = errors.TransportError("m", **WHERE)

    assert error.where == WHERE
    assert errors.ServerError("n", **error.where).where == WHERE


def test_request_and_submit_errors_are_told_apart() -> None:
    assert not issubclass(errors.SubmitError, errors.RequestError)
    assert not issubclass(errors.RequestError, errors.SubmitError)
