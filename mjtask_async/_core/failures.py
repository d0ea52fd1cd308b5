"""Errors as plain values, for a journal, and back."""

from msgspec import Struct

from .. import errors
from ..errors import MJTaskError


class Failure(Struct, frozen=True):
    """An error that can be written down.

    Attributes:
        kind: The name of its class.
        message: Its first argument.
        about: Its fields that are texts or numbers.
    """

    kind: str
    message: str
    about: dict[str, str | int | float]


def failure_of(error: MJTaskError) -> Failure:
    """Write an error down; tasks and causes are left out."""
    about = {name: value for name, value in vars(error).items() if isinstance(value, _PLAIN)}
    return Failure(type(error).__name__, str(error.args[0] if error.args else ""), about)


def error_of(failure: Failure) -> MJTaskError:
    """Make the error again; of an unknown kind, one that says the same."""
    kind = getattr(errors, failure.kind, None)
    if not (isinstance(kind, type) and issubclass(kind, MJTaskError)):
        return MJTaskError(f"{failure.kind}: {failure.message}")
    error = kind(failure.message)
    for name, value in failure.about.items():
        if hasattr(error, name):
            setattr(error, name, value)
    return error


_PLAIN = (str, int, float)
