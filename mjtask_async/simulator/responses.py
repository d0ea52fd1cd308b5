"""Answers as aiohttp sends them: whole, in part, or not at all."""

import os
import socket
import struct

from aiohttp import web

from .exchange import Answer
from .pictures import drawn

_NO_LINGERING = struct.pack("hh" if os.name == "nt" else "ii", 1, 0)
"""Lets a socket that is closed send a reset, and forget what it has not sent."""


class HangUp(web.Response):
    """Ends the connection in place of an answer.

    Args:
        resets: Whether by a reset (RST), not by a close (FIN).
    """

    def __init__(self, *, resets: bool = False) -> None:
        super().__init__()
        self._resets = resets

    async def prepare(self, request: web.BaseRequest) -> None:
        """End the connection; the error tells aiohttp that nothing was sent."""
        if request.transport is not None and self._resets:
            line = request.transport.get_extra_info("socket")
            line.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGERING)
            request.transport.abort()
        elif request.transport is not None:
            request.transport.close()
        raise ConnectionResetError


def response_of(answer: Answer, *, close: bool) -> web.Response:
    """Build the response to send; ``close`` ends the connection after it."""
    body = drawn(answer.picture) if answer.picture else answer.body
    response = web.Response(status=answer.status, body=body, headers=answer.headers)
    if answer.chunked:
        response.enable_chunked_encoding()
    if close or answer.close:
        response.force_close()
    return response


async def send_part(request: web.BaseRequest, answer: Answer, keep: float) -> None:
    """Announce the whole answer, and send a part of it."""
    body = drawn(answer.picture) if answer.picture else answer.body
    response = web.StreamResponse(status=answer.status, headers=answer.headers)
    response.content_length = len(body)
    await response.prepare(request)
    await response.write(body[: int(len(body) * keep)])
