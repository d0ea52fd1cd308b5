"""A submit's body, which knows whether any of it was handed to a connection.

That tells *not sent* from *uncertain* for refused connections, names that are not known,
TLS, waits for a place in a pool and time-outs alike, and in a borrowed session, too.
"""

from aiohttp.abc import AbstractStreamWriter
from aiohttp.payload import Payload

_CHUNK = 64 * 1024


class Mark:
    """Tells whether any byte of a submit's body was handed to a connection."""

    def __init__(self) -> None:
        self.sent = False


class MarkedBody(Payload):
    """A body that sets its mark when it is written."""

    def __init__(self, value: bytes, mark: Mark) -> None:
        super().__init__(value, content_type="application/json")
        self._size = len(value)
        self._mark = mark

    def decode(self, encoding: str = "utf-8", errors: str = "strict") -> str:
        return bytes(self._value).decode(encoding, errors)

    async def write(self, writer: AbstractStreamWriter) -> None:
        self._mark.sent = True
        for start in range(0, len(self._value), _CHUNK):
            await writer.write(self._value[start : start + _CHUNK])
