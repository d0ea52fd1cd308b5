"""Answers as aiohttp sends them: whole, in part, or not at all."""

from aiohttp import web

from .exchange import Answer
from .pictures import drawn


class HangUp(web.Response):
    """Closes the connection in place of an answer."""

    async def prepare(self, request: web.BaseRequest) -> None:
        """Close the connection; the error tells aiohttp that nothing was sent."""
        if request.transport is not None:
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


async def send_part(request: web.BaseRequest, answer: Answer, keep: float) -> web.StreamResponse:
    """Announce the whole answer, send a part of it, and hang up."""
    body = drawn(answer.picture) if answer.picture else answer.body
    response = web.StreamResponse(status=answer.status, headers=answer.headers)
    response.content_length = len(body)
    await response.prepare(request)
    await response.write(body[: int(len(body) * keep)])
    return HangUp()
