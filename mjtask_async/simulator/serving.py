"""HTTP by aiohttp in front of a `Desk`, and the book of requests.

Nothing here sleeps but a delay, and no task lives longer than its request.
"""

import asyncio
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from threading import RLock
from typing import Any

from aiohttp import ClientError, web

from .desk import ATTACHMENTS, Desk
from .exchange import Answer, Call, Place
from .faults import Fault, Script
from .records import RequestRecord
from .responses import HangUp, response_of, send_part

_PICTURES = frozenset((ATTACHMENTS, "image/{id}"))


class Front:
    """Lets a desk answer HTTP requests.

    Args:
        desk: Who answers.
        script: What goes wrong.
        lock: Held while the desk works.
        now: Returns the seconds on the simulator's clock.
        speed: How many of them pass in one second of the loop's.
    """

    def __init__(
        self,
        desk: Desk,
        script: Script,
        lock: RLock,
        now: Callable[[], float],
        speed: float,
    ) -> None:
        self._desk = desk
        self._script = script
        self._lock = lock
        self._now = now
        self._speed = speed
        self._handlers: set[asyncio.Task[Any]] = set()
        self._log: list[RequestRecord] = []
        self._under_way = 0
        self._served = Counter[Any]()

    def requests(self) -> list[RequestRecord]:
        """Return the book of requests."""
        with self._lock:
            return self._log.copy()

    def script(self, endpoint: str, fault: Fault, times: int) -> None:
        """Let requests go wrong."""
        with self._lock:
            self._script.add(endpoint, fault, times)

    def script_until(self, endpoint: str, fault: Fault, until: float) -> None:
        """Let all requests go wrong until a time of the simulator's clock."""
        with self._lock:
            self._script.last(endpoint, fault, until)

    def chance(self, endpoint: str, fault: Fault, odds: float) -> None:
        """Let requests go wrong by chance."""
        with self._lock:
            self._script.chance(endpoint, fault, odds)

    def poison(self, endpoint: str, task_id: str, fault: Fault | None) -> None:
        """Let requests go wrong that ask for an id, or heal it."""
        with self._lock:
            self._script.poison(endpoint, task_id, fault)

    def heal(self) -> None:
        """Let nothing go wrong any more."""
        with self._lock:
            self._script.clear()

    async def cut_off(self) -> None:
        """End all requests under way."""
        handlers = list(self._handlers)
        for handler in handlers:
            handler.cancel()
        await asyncio.gather(*handlers, return_exceptions=True)

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer a request."""
        handler = asyncio.current_task()
        assert handler is not None  # noqa: S101 -- aiohttp runs handlers in tasks
        self._handlers.add(handler)
        place = self._desk.locate(request.method, request.raw_path)
        number = self._arrived(request, place)
        try:
            return await self._respond(request, place, number)
        except (OSError, ClientError):  # the client left in the middle of its request
            return HangUp()
        finally:
            self._handlers.discard(handler)
            self._left(number)

    async def _respond(
        self, request: web.BaseRequest, place: Place, number: int
    ) -> web.StreamResponse:
        answer = None
        with self._lock:
            fault = self._script.take(place.endpoint, self._now())
        if fault.reads:
            body = await request.content.read()
            answer = self._serve(request, place, number, body, fault)
            fault = self._poisoned(place, number) or fault
        answer = fault.instead or answer
        if answer and fault.alters and answer.status == 200:
            answer = replace(answer, body=fault.alters(answer.body))
        if delay := fault.delay + (answer.delay if answer else 0.0):
            await asyncio.sleep(delay / self._speed)
        if answer is None or answer.hang_up or not fault.answers:
            return HangUp(resets=fault.resets)
        self._note(number, status=answer.status)
        if fault.keep < 1:
            await send_part(request, answer, fault.keep)
            return HangUp(resets=fault.resets)
        return response_of(answer, close=self._is_used_up(request))

    def _serve(
        self, request: web.BaseRequest, place: Place, number: int, body: bytes, fault: Fault
    ) -> Answer | None:
        headers = {name.lower(): value for name, value in request.headers.items()}
        with self._lock:
            call = Call(request.method, request.raw_path, headers, body, self._now())
            self._note(number, ids=self._desk.ids(call, place))
            return self._desk.answer(call, place, fault.upstream) if fault.serves else None

    def _poisoned(self, place: Place, number: int) -> Fault | None:
        with self._lock:
            return self._script.for_ids(place.endpoint, self._log[number].ids)

    def _arrived(self, request: web.BaseRequest, place: Place) -> int:
        with self._lock:
            self._under_way += place.endpoint not in _PICTURES
            self._log.append(
                RequestRecord(
                    method=request.method,
                    path=request.raw_path,
                    endpoint=place.endpoint,
                    ids=() if place.task_id is None else (place.task_id,),
                    started=self._now(),
                    concurrent=self._under_way,
                ),
            )
            return len(self._log) - 1

    def _note(self, number: int, **facts: Any) -> None:
        with self._lock:
            self._log[number] = replace(self._log[number], **facts)

    def _left(self, number: int) -> None:
        with self._lock:
            self._under_way -= self._log[number].endpoint not in _PICTURES
            self._note(number, finished=self._now())

    def _is_used_up(self, request: web.BaseRequest) -> bool:
        """Count the requests of a connection; tell whether this is the last one."""
        limit = self._desk.connection_requests
        if limit is None or request.transport is None:
            return False
        peer = request.transport.get_extra_info("peername")
        self._served[peer] += 1
        return self._served[peer] >= limit and self._served.pop(peer) > 0
