"""A simulator in a thread of its own, for code without an event loop or with a foreign one."""

import asyncio
from collections.abc import Generator
from concurrent.futures import Future
from contextlib import contextmanager
from threading import Thread

from .app import Simulator


@contextmanager
def run_in_thread(simulator: Simulator) -> Generator[Simulator]:
    """Serve a simulator from a daemon thread with its own event loop.

    Its methods and properties may be used from any thread meanwhile.
    """
    loop = asyncio.new_event_loop()
    started = Future[None]()
    thread = Thread(target=_serve, args=(loop, simulator, started), name="simulator", daemon=True)
    thread.start()
    try:
        started.result()
        yield simulator
    finally:
        if not started.exception():
            asyncio.run_coroutine_threadsafe(simulator.aclose(), loop).result()
            loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


def _serve(loop: asyncio.AbstractEventLoop, simulator: Simulator, started: Future[None]) -> None:
    asyncio.set_event_loop(loop)
    try:
        loop.run_until_complete(simulator.__aenter__())
    except BaseException as error:  # noqa: BLE001 -- raised in the caller's thread
        started.set_exception(error)
    else:
        started.set_result(None)
        loop.run_forever()
