"""One way to send all submits.

A submit costs money, so what it came to is one of four: accepted, refused, *not sent*
(and then sent again), or uncertain (and then never sent again by itself).
"""

import asyncio
import logging
import random
import secrets
import time
from collections import deque
from typing import Generic

from ._body import Mark
from ._core import submit, wire
from ._core.retry import submit_delay
from .errors import MJTaskError, SubmitUncertainError
from .models import Submission, T
from .reads import Reads, seconds

_log = logging.getLogger(__name__)


class Sending(Reads[T], Generic[T]):
    """Sends submits and counts what they came to."""

    _submits: int = 0
    _uncertain: int = 0
    _uncertain_states: deque[str]

    async def _submit(
        self,
        request: wire.Request,
        state: str,
        timeout: float | None,
        *,
        wants_links: bool = False,
    ) -> Submission:
        patience = self._timeouts.submit if timeout is None else seconds("timeout", timeout)
        attempt = 1
        while True:
            await self._transport.budget.take()
            result = await self._submit_once(request, state, patience, wants_links=wants_links)
            if isinstance(result, Submission):
                return result
            delay = submit_delay(result, attempt, random.random())  # noqa: S311 -- jitter
            self._transport.hide(result)  # after all decisions: a key may be one of their words
            if delay is None or attempt >= self._attempts:
                raise result
            attempt += 1
            self._retries += 1
            await asyncio.sleep(delay)

    async def _submit_once(
        self, request: wire.Request, state: str, timeout: float, *, wants_links: bool
    ) -> Submission | MJTaskError:
        mark, sent_at = Mark(), time.time()
        result: Submission | MJTaskError
        self._submits += 1
        try:
            answer = await self._transport.send(
                request, timeout=timeout, mark=mark, may_repeat=submit.may_repeat
            )
        except asyncio.CancelledError:
            if mark.sent:
                self._note_uncertain(state)
                _log.warning("%s cancelled, maybe accepted: state %s", request.endpoint, state)
            raise
        except MJTaskError as error:
            if not mark.sent:
                return error
            result = submit.uncertain(
                str(error), state=state, sent_at=sent_at, endpoint=request.endpoint
            )
            result.__cause__ = error
        else:
            result = submit.outcome(answer, state=state, sent_at=sent_at, wants_links=wants_links)
        if isinstance(result, SubmitUncertainError):
            self._note_uncertain(state)
        return result

    def _note_uncertain(self, state: str) -> None:
        self._uncertain += 1
        self._uncertain_states.append(state)


def new_state() -> str:
    """Make a ``state`` that no other submit has."""
    return f"mj-{secrets.token_hex(12)}"
