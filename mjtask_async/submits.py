"""The submit endpoints of `MJSession`: one method each, and one way to send them all.

A submit costs money, so what it came to is one of four: accepted, refused, *not sent*
(and then sent again), or uncertain (and then never sent again by itself).
"""

import asyncio
import logging
import random
import secrets
import time
from collections.abc import Mapping
from math import inf
from typing import Any

from ._core import submit, wire
from ._core.retry import submit_delay
from ._transport import Mark, Transport
from .errors import ConfigurationError, MJTaskError, SubmitUncertainError
from .models import Submission, Timeouts

_log = logging.getLogger(__name__)


class Submits:
    """What `MJSession` can ask a server to do."""

    _transport: Transport
    _timeouts: Timeouts
    _attempts: int
    _submits: int = 0
    _retries: int = 0
    _uncertain: int = 0

    async def imagine(
        self,
        prompt: str,
        *,
        bot: str | None = None,
        account_filter: Mapping[str, Any] | None = None,
        state: str | None = None,
        notify_hook: str | None = None,
        timeout: float | None = None,
    ) -> Submission:
        """Ask for a picture (contract 1.5, ``POST /mj/submit/imagine``).

        Cancelled once its first byte is out, the submit may have been accepted: a WARNING
        record and `statistics` then keep its ``state``.

        Args:
            prompt: What the picture shall show, with the parameters Midjourney knows.
            bot: ``MID_JOURNEY`` or ``NIJI_JOURNEY``; None leaves it to the server.
            account_filter: Which accounts may run it; understood by trueai-org's server.
            state: Comes back in the task. None makes a unique one; your own must be unique,
                too, and at most 255 characters long.
            notify_hook: Where the server shall post progress; most relays drop it.
            timeout: Seconds until the answer must be complete; None takes ``Timeouts.submit``.

        Raises:
            SubmitRejectedError: The server refused; nothing was accepted.
            SubmitUncertainError: It may have been accepted. It is not sent again.
            TransportError: It could not be sent, after all attempts.
            AuthenticationError: The server does not accept the key.
            RateLimitedError: Too many requests, after all attempts.
            ConfigurationError: An argument is out of its range; nothing was sent.
        """
        state = new_state() if state is None else state
        request = wire.imagine(
            prompt, bot=bot, account_filter=account_filter, state=state, notify_hook=notify_hook
        )
        return await self._submit(request, state, timeout)

    async def _submit(self, request: wire.Request, state: str, timeout: float | None) -> Submission:
        patience = self._timeouts.submit if timeout is None else seconds("timeout", timeout)
        attempt = 1
        while True:
            result = await self._submit_once(request, state, patience)
            if isinstance(result, Submission):
                return result
            delay = submit_delay(result, attempt, random.random())  # noqa: S311 -- jitter
            if delay is None or attempt >= self._attempts:
                raise result
            attempt += 1
            self._retries += 1
            await asyncio.sleep(delay)

    async def _submit_once(
        self, request: wire.Request, state: str, timeout: float
    ) -> Submission | MJTaskError:
        mark, sent_at = Mark(), time.time()
        result: Submission | MJTaskError
        self._submits += 1
        try:
            answer = await self._transport.send(request, timeout=timeout, mark=mark)
        except asyncio.CancelledError:
            if mark.sent:
                self._uncertain += 1
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
            result = submit.outcome(answer, state=state, sent_at=sent_at)
            if not isinstance(result, Submission):  # say why without the key it may echo
                answer = self._transport.blotted(answer)
                result = submit.outcome(answer, state=state, sent_at=sent_at)
        self._uncertain += isinstance(result, SubmitUncertainError)
        return result


def seconds(name: str, value: float) -> float:
    """Check how long to wait: event loops know no infinite time, and aiohttp's 0 means for ever.

    Raises:
        ConfigurationError: It is not a time.
    """
    if not 0 < value < inf:
        raise ConfigurationError(f"{name} is {value!r}; use seconds above 0, but not infinity")
    return value


def new_state() -> str:
    """Make a ``state`` that no other submit has."""
    return f"mj-{secrets.token_hex(12)}"
