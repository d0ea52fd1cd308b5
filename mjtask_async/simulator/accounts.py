"""Who pays at a relay: an account and its keys, each with a quota of its own (contract 1.1).

A quota is counted in submits. What a failed task gives back goes to the account and never to
the key, so a key that is spent stays so.
"""

from dataclasses import dataclass, field


@dataclass(slots=True, eq=False)
class Token:
    """A key, and how many submits it can pay for; None is any number."""

    key: str
    credit: int | None = None
    noticed: bool = False
    """Whether the server has seen once that it is spent."""

    @property
    def masked(self) -> str:
        """The key as error messages show it."""
        bare = self.key.removeprefix("sk-")
        return f"[sk-{bare[:3]}***{bare[-3:]}]"


@dataclass(slots=True, eq=False)
class Account:
    """A user of a relay.

    Attributes:
        tokens: The keys that are accepted, by themselves.
        credit: How many submits the user can pay for, with whichever key; None is any number.
        payer: Whose key the request under way shows.
    """

    tokens: dict[str, Token] = field(default_factory=dict[str, Token])
    credit: int | None = None
    payer: Token = field(default_factory=lambda: Token(""))

    def add(self, key: str) -> None:
        """Accept a key."""
        self.tokens.setdefault(key, Token(key))

    def charge(self) -> None:
        """Take one submit from the account, and from the key that is shown."""
        self.credit = _less(self.credit)
        self.payer.credit = _less(self.payer.credit)


def _less(credit: int | None) -> int | None:
    return credit and credit - 1
