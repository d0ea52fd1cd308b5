"""What stands between a client and a simulator: it may wait, refuse, or change the key."""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager

from aiohttp import ClientError, ClientSession, DummyCookieJar, TCPConnector, web

from mjtask_async.simulator import Simulator

Look = Callable[[web.BaseRequest], Awaitable[web.Response | dict[str, str] | None]]
"""Answers a request itself, or says which headers it goes on with."""
_HOP = frozenset(("host", "content-length", "connection", "transfer-encoding"))


@asynccontextmanager
async def proxied(sim: Simulator, look: Look) -> AsyncIterator[str]:
    """Forward what ``look`` does not answer, even if the client has left; hang up where it does."""
    connector = TCPConnector(force_close=True)  # a stale connection would be a fault of ours
    async with ClientSession(connector=connector, cookie_jar=DummyCookieJar()) as client:

        async def handle(request: web.BaseRequest) -> web.StreamResponse:
            body = await request.read()
            answer = await look(request)
            if isinstance(answer, web.Response):
                return answer
            headers = _end_to_end(request.headers.items()) | (answer or {})
            url = f"{sim.base_url}{request.raw_path}"
            try:
                return await _forwarded(client, request.method, url, body, headers)
            except ClientError:
                request.protocol.force_close()
                return web.Response()

        runner = web.ServerRunner(web.Server(handle, access_log=None))
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        try:
            yield f"http://127.0.0.1:{runner.addresses[0][1]}"
        finally:
            await runner.cleanup()


async def _forwarded(
    client: ClientSession, method: str, url: str, body: bytes, headers: dict[str, str]
) -> web.Response:
    async with client.request(method, url, data=body, headers=headers) as found:
        told = _end_to_end(found.headers.items())
        return web.Response(status=found.status, body=await found.read(), headers=told)


def _end_to_end(headers: Iterable[tuple[str, str]]) -> dict[str, str]:
    return {name: value for name, value in headers if name.lower() not in _HOP}
