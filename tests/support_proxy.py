"""What stands between a client and a simulator: it may wait, refuse, or change the key."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from aiohttp import ClientSession, DummyCookieJar, web

from mjtask_async.simulator import Simulator

Look = Callable[[web.BaseRequest], Awaitable[web.Response | dict[str, str] | None]]
"""Answers a request itself, or says which headers it goes on with."""
_HOP = frozenset(("host", "content-length", "connection", "transfer-encoding"))


@asynccontextmanager
async def proxied(sim: Simulator, look: Look) -> AsyncIterator[str]:
    """Forward every request on which ``look`` has nothing to answer, even if its client has left."""
    async with ClientSession(cookie_jar=DummyCookieJar(), auto_decompress=False) as client:

        async def handle(request: web.BaseRequest) -> web.StreamResponse:
            body = await request.read()
            answer = await look(request)
            if isinstance(answer, web.Response):
                return answer
            kept = {
                name: value for name, value in request.headers.items() if name.lower() not in _HOP
            }
            kept |= answer or {}
            url = f"{sim.base_url}{request.raw_path}"
            async with client.request(request.method, url, data=body, headers=kept) as found:
                told = {n: v for n, v in found.headers.items() if n.lower() not in _HOP}
                return web.Response(status=found.status, body=await found.read(), headers=told)

        runner = web.ServerRunner(web.Server(handle, access_log=None))
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        try:
            yield f"http://127.0.0.1:{runner.addresses[0][1]}"
        finally:
            await runner.cleanup()
