"""Which credential goes along: one at a time, and never to be seen (contract 1.1).

A server that understands only ``mj-api-secret`` answers 401 to a bearer, and trueai-org's
compares an ``Authorization`` verbatim even where a right secret stands beside it.
"""

from os.path import commonprefix
from typing import Any, Literal

from ..errors import ConfigurationError

Scheme = Literal["auto", "bearer", "secret", "raw"]
SCHEMES: tuple[Scheme, ...] = ("auto", "bearer", "secret", "raw")


class Secret(str):
    """Text that does not show itself in a repr, so in no frame, dict or log of one."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "'***'"


def hidden(given: object) -> Any:
    """Wrap a text so that a frame does not show it; of anything else keep but the type."""
    if isinstance(given, type | None):
        return given
    return Secret(given) if isinstance(given, str) else type(given)


class Auth:
    """The credential of a session.

    Attributes:
        scheme: What goes along; in ``auto`` a bearer until something has worked.
        undecided: Whether ``auto`` has still to find out.
        worked: Whether the server has accepted the key, or needs none.
    """

    def __init__(self, api_key: Any, scheme: str) -> None:
        api_key = hidden(api_key)  # this frame is seen with an error
        self._key: Secret | None = None
        self.scheme: str = "bearer" if scheme == "auto" else scheme
        self.undecided: bool = False
        self.worked: bool = False
        if isinstance(api_key, type):
            raise ConfigurationError(f"api_key is no str, but {api_key.__name__}; give the text")
        if scheme not in SCHEMES:
            raise ConfigurationError(f"auth is {scheme!r}; use one of {', '.join(SCHEMES)}")
        self._key = Secret(api_key.strip()) if api_key and api_key.strip() else None
        if self._key is not None and not (self._key.isascii() and self._key.isprintable()):
            raise ConfigurationError("api_key holds a line break or a character no header takes")
        self.undecided = scheme == "auto" and self._key is not None

    def __repr__(self) -> str:
        return f"<Auth {self.scheme}{' (undecided)' if self.undecided else ''}>"

    def headers(self, scheme: str) -> dict[str, str]:
        """Make the header of a scheme."""
        if not self._key:
            return {}
        if scheme == "secret":
            return {"mj-api-secret": self._key}
        bearer = scheme == "bearer"
        return {"Authorization": Secret(f"Bearer {self._key}") if bearer else self._key}

    def settle(self, scheme: str) -> None:
        """Remember what has worked."""
        self.worked = True
        if self.undecided:
            self.scheme, self.undecided = scheme, False

    def redact(self, text: str) -> str:
        """Blot the key, and a beginning of it that a cut has left, out of words that echo it."""
        if not self._key:
            return text
        length = min(8, max(4, len(self._key) // 4))
        head, tail = self._key[:length], self._key[length:]
        first, *others = text.split(head)
        left = (len(commonprefix((each, tail))) for each in others)  # noqa: RUF071 -- of letters
        return first + "".join("***" + each[n:] for n, each in zip(left, others, strict=True))
