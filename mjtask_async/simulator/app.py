"""The face of the simulator: `Simulator` serves a `Desk` on loopback."""

import asyncio
import time
from collections.abc import Callable, Collection, Iterable
from contextlib import suppress
from math import inf
from socket import create_server, socket
from threading import RLock
from types import TracebackType
from typing import Literal, Self

from aiohttp import web

from .desk import Desk
from .faults import Fault, Script
from .pictures import require_pillow
from .profiles import DEFAULT, profile_named
from .records import AcceptedTask, Change, RequestRecord
from .serving import Front
from .staging import Stage
from .switches import Switches

HOST = "127.0.0.1"
API_KEY = "sk-simulator"


class Simulator(Stage):
    """A server of one profile on loopback, for tests and demonstrations.

    It starts with ``async with`` (or `run_in_thread`) and serves until the end of the
    block, which may be left in another task than it was entered in.

    Args:
        profile: Which server to play: a name in `PROFILES`.
        speed: How many of its seconds pass in one second of ``clock``.
        seed: Of everything drawn: ids, lives, refresh passes. The same seed and requests
            give the same run.
        faults: Pairs of endpoint and `Fault`, as for `script`.
        port: On 127.0.0.1; 0 takes a free one.
        clock: Seconds that never run backwards; None is the running loop's ``time``.
        workers: How many tasks run at once; 0 is a server without a usable account.
        queue_size: How many more may wait.
        api_key: The key that is accepted.
        epoch: UNIX seconds at the start, for the times and ids of tasks; None is the time at
            which the simulator is made.
        server_address: What a relay's picture links begin with; None is `base_url`.
        hops: How many relays of this kind stand in a row before the origin (contract Q27).
        id_prefix: What the ids of tasks begin with, such as ``"task_"`` or ``"0"`` (contract Q1).
        remix: The origin's account has remix on: variations, pans, rerolls and animations
            wait for a modal (contract 8).
        seed_delay: Seconds that an image-seed takes. trueai gives up after 60, a relay after
            30; infinity is a server that never finds one.
        admin: Whether the key may cancel tasks on trueai.
        allowed_models: The models that a relay's token may use, such as ``"mj_imagine"``; None
            is all (contract Q17).
        rate_limit: Requests a minute on one-hub (contract E9).
        forward_urls: Whether new-api rewrites links to pictures to its own address.
        auto_ban: Whether new-api disables its channel for good when upstream has no account
            (contract Q25).
        guard_images: Whether new-api refuses to fetch pictures from private addresses. A real
            one does; the simulator's own pictures are on one, so that here it is off.

    Raises:
        ValueError: An argument is out of range.
    """

    def __init__(
        self,
        *,
        profile: str = DEFAULT,
        speed: float = 1.0,
        seed: int = 0,
        faults: Iterable[tuple[str, Fault]] = (),
        port: int = 0,
        clock: Callable[[], float] | None = None,
        workers: int = 3,
        queue_size: int = 10,
        api_key: str = API_KEY,
        epoch: float | None = None,
        server_address: str | None = None,
        hops: int = 1,
        id_prefix: str = "",
        remix: bool = False,
        seed_delay: float = 0.0,
        admin: bool = True,
        allowed_models: Collection[str] | None = None,
        rate_limit: int = 600,
        forward_urls: bool = True,
        auto_ban: bool = False,
        guard_images: bool = False,
    ) -> None:
        self._profile = profile_named(profile)
        _check_numbers(speed=speed, port=port, workers=workers, queue_size=queue_size)
        if not api_key.strip():
            message = "api_key must not be empty"
            raise ValueError(message)
        epoch = time.time() if epoch is None else epoch
        switches = Switches(
            hops=hops,
            id_prefix=id_prefix,
            remix=remix,
            seed_delay=seed_delay,
            admin=admin,
            allowed_models=allowed_models,
            rate_limit=rate_limit,
            forward_urls=forward_urls,
            auto_ban=auto_ban,
            guard_images=guard_images,
        )
        sizes = {"workers": workers, "queue_size": queue_size}
        self._desk = Desk(self._profile, api_key, seed, epoch, switches=switches, **sizes)
        self._lock = RLock()
        self._front = Front(self._desk, Script(faults, seed=seed), self._lock, self.now, speed)
        self._speed = speed
        self._clock = clock
        self._port = port
        self._key = api_key
        self._server_address = server_address
        self._base_url: str | None = None
        self._started = 0.0
        self._serving: tuple[web.ServerRunner, socket] | None = None

    def __repr__(self) -> str:
        """Show the profile and the address."""
        where = self._base_url or "not started"
        return f"<Simulator {self._profile.name} {where}>"

    # -- what it is ---------------------------------------------------------------------

    @property
    def profile(self) -> str:
        """The name of the profile."""
        return self._profile.name

    @property
    def base_url(self) -> str:
        """Where it is reached, without ``/mj``.

        Raises:
            RuntimeError: It has not been started.
        """
        if self._base_url is None:
            message = "this simulator has not been started: async with Simulator() as sim: ..."
            raise RuntimeError(message)
        return self._base_url

    @property
    def api_key(self) -> str:
        """The first key that is accepted; a relay's `add_key` adds others."""
        return self._key

    @property
    def auth(self) -> Literal["bearer", "secret"]:
        """How this server wants the key: ``"bearer"`` or ``"secret"`` (mj-api-secret)."""
        return self._profile.auth

    # -- time ---------------------------------------------------------------------------

    def now(self) -> float:
        """Return the seconds on the simulator's clock: 0 at the start."""
        if self._base_url is None or self._clock is None:
            return 0.0
        return (self._clock() - self._started) * self._speed

    def clock_time(self, seconds: float) -> float:
        """Turn seconds on the simulator's clock into the time of the clock it was given."""
        return self._started + seconds / self._speed

    # -- what happened ------------------------------------------------------------------

    @property
    def requests(self) -> list[RequestRecord]:
        """All requests so far in the order of their arrival, those under way included."""
        return self._front.requests()

    @property
    def accepted(self) -> list[AcceptedTask]:
        """The tasks that the origin accepted, in order; planted ones are not among them."""
        with self._lock:
            return self._desk.engine.accepted.copy()

    def changes(self, task_id: str) -> list[Change]:
        """List the moments at which the API's view of a task's status or progress changed."""
        with self._lock:
            return self._desk.backend.changes(task_id, self.now())

    # -- serving ------------------------------------------------------------------------

    async def __aenter__(self) -> Self:
        """Start to serve.

        Raises:
            ImportError: Pillow is missing; the message says how to install it.
            OSError: The port is taken.
            RuntimeError: It has served already.
        """
        if self._base_url is not None:
            message = "a simulator serves only once; make a new one"
            raise RuntimeError(message)
        require_pillow()
        listener = create_server((HOST, self._port))
        runner = web.ServerRunner(
            web.Server(
                self._front.handle,
                access_log=None,
                keepalive_timeout=self._profile.keep_alive,
                max_line_size=65_536,
            ),
        )
        await runner.setup()
        await web.SockSite(runner, listener).start()
        self._open(runner, listener)
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Stop serving."""
        await self.aclose()

    async def aclose(self) -> None:
        """Stop serving and cut off every connection; more than once is harmless."""
        serving, self._serving = self._serving, None
        if serving is None:
            return
        runner, listener = serving
        await _stop_accepting(listener)
        await self._front.cut_off()
        await runner.cleanup()
        await asyncio.sleep(0)  # transports report their end in the loop's next turn

    def _open(self, runner: web.ServerRunner, listener: socket) -> None:
        self._clock = self._clock or asyncio.get_running_loop().time
        self._started = self._clock()
        self._serving = runner, listener
        self._base_url = f"http://{HOST}:{listener.getsockname()[1]}"
        self._desk.move(self._base_url, self._server_address or self._base_url)


async def _stop_accepting(listener: socket) -> None:
    """Let connections that are being accepted arrive before the server is closed.

    asyncio fails, and leaks the socket, when a server is closed in between.
    """
    with suppress(NotImplementedError):  # Windows accepts in another way
        asyncio.get_running_loop().remove_reader(listener)
    await asyncio.sleep(0)
    await asyncio.sleep(0)


def _check_numbers(*, speed: float, port: int, workers: int, queue_size: int) -> None:
    allowed = {
        f"speed must be above 0, not {speed!r}": 0 < speed < inf,
        f"port must be from 0 to 65535, not {port!r}": 0 <= port < 2**16,
        f"workers must be 0 or more, not {workers!r}": workers >= 0,
        f"queue_size must be 0 or more, not {queue_size!r}": queue_size >= 0,
    }
    for message, is_allowed in allowed.items():
        if not is_allowed:
            raise ValueError(message)
