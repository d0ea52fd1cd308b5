"""Pictures of a bulk run come home: checked, named, and noted in the journal.

1. Everything unfinished lies in one hidden folder that bears the journal's token, so the
   next run knows it for its own and removes it.
2. A file's name is in the journal before the file bears it: after a crash between the two
   the same name is taken again, and no picture is there twice. `Places` knows the names.
3. A link may lead anywhere, so each address is looked at before it is asked, after every
   redirect, too. What a name resolves to is looked at just before the request.
"""

import asyncio
import os
import secrets
import shutil
import socket
from collections.abc import Awaitable, Callable, Collection, Iterable, Sequence
from importlib import import_module
from pathlib import Path
from time import time
from typing import TYPE_CHECKING, Any, Generic, cast

from yarl import URL

from . import images
from ._core.addresses import check_host, check_reachable, literal
from ._core.filenames import Template
from ._core.media import VIDEOS
from .errors import DownloadError, ImageExpiredError, TransportError
from .jobs import Entry
from .models import T, Task
from .placing import Places, are_there
from .recorder import in_thread
from .session import MJSession

if TYPE_CHECKING:
    from ._transport import Stream, Transport

Note = Callable[[list[Path]], Awaitable[None]]
_GONE = frozenset((403, 404, 410))
_PAUSES = (1.0, 4.0)
"""Seconds before the second and third try of a download that was cut off."""


class Home(Generic[T]):
    """The folder that pictures come to.

    Args:
        session: Whose tasks they are.
        folder: Where they go; it is made.
        template: How they are called.
        allowed: Hosts that may be asked although they are in a private network.
        at_once: Downloads under way at once.
    """

    def __init__(
        self,
        session: MJSession[T],
        folder: Path,
        template: Template,
        *,
        allowed: Collection[str] = (),
        at_once: int = 4,
    ) -> None:
        self._session = session
        self._places = Places(folder, template)
        self._guarded = cast("Transport", _Guarded(session._transport, allowed))
        self._turns = asyncio.Semaphore(at_once)
        self._parts = folder

    async def open(self, token: str, taken: Iterable[str] = ()) -> None:
        """Make the folder, and remove what an earlier run left unfinished.

        Args:
            token: What that is known by.
            taken: Paths that a journal has promised to its jobs.

        Raises:
            DownloadError: The folder cannot be written.
        """
        await in_thread(self._open, token, taken)

    def _open(self, token: str, taken: Iterable[str]) -> None:
        self._places.folder = self._places.folder.absolute()  # journals outlive a working folder
        self._parts = self._places.folder / f".{token}.part"
        self._places.open(self._parts, taken)

    async def aclose(self) -> None:
        """Remove what is unfinished."""
        await in_thread(shutil.rmtree, self._parts, True)  # noqa: FBT003 -- ignore_errors

    async def fetch(self, task: T) -> tuple[list[Path], T]:
        """Download a task's files to the hidden folder.

        Returns:
            The files, and the task, fetched again if its links had expired.

        Raises:
            DownloadError: There is nothing to bring, or it is no picture.
            TransportError: It was cut off, three times.
        """
        async with self._turns:
            if task.image_expires_at is not None and task.image_expires_at.timestamp() <= time():
                task = await self._session.fetch(task.id)
            try:
                return await self._staged(task), task
            except DownloadError as error:
                if error.status not in _GONE and not isinstance(error, ImageExpiredError):
                    raise
            task = await self._session.fetch(task.id)
            return await self._staged(task), task

    async def has(self, paths: Sequence[Path]) -> bool:
        """Whether files are still where they were put."""
        return await in_thread(are_there, paths)

    async def place(
        self, entry: Entry, label: str, staged: Sequence[Path], planned: Sequence[Path], note: Note
    ) -> list[Path]:
        """Give a task's files names that no other file has.

        Args:
            entry: Whose they are.
            label: Of which of the job's tasks.
            staged: The files.
            planned: The names that an earlier run chose for them.
            note: Told of other names before the files bear them.

        Raises:
            DownloadError: The folder cannot be written.
        """
        places = self._places
        names = await in_thread(places.promised, staged, planned)
        promised, left = frozenset(names), list(staged)
        while left:
            nameless = [part for part in left if part not in names]
            if nameless:
                names |= await in_thread(places.choose, entry, label, staged, nameless)
                await note([names[part] for part in staged])
            left = await in_thread(places.give, {part: names[part] for part in left}, promised)
            for part in left:
                del names[part]
        await in_thread(places.finish, staged)
        return [names[part] for part in staged]

    async def _staged(self, task: Task) -> list[Path]:
        for pause in _PAUSES:
            try:
                return await self._once(task)
            except TransportError:
                await asyncio.sleep(pause)
        return await self._once(task)

    async def _once(self, task: Task) -> list[Path]:
        folder = self._parts / secrets.token_hex(8)
        idle = self._session._timeouts.idle
        dest = f"{folder}{os.sep}"
        staged = await images.download(self._guarded, task, dest, overwrite=False, idle=idle)
        await in_thread(_check_pictures, staged)
        return staged


class _Guarded:
    """A transport that looks at each address before it is asked."""

    def __init__(self, transport: "Transport", allowed: Collection[str]) -> None:
        self._transport = transport
        self._allowed = allowed

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    async def open(self, url: URL, *, idle: float, with_key: bool) -> "Stream":
        await self._check(url)
        return await self._transport.open(url, idle=idle, with_key=with_key)

    async def _check(self, url: URL) -> None:
        host = url.host or ""
        if check_host(host, self._transport.origin.host, self._allowed):
            return
        address = literal(host)
        for each in [address] if address else await _resolved(host):
            check_reachable(each, host)


async def _resolved(host: str) -> list[str]:
    """List a name's addresses; none where only a proxy can resolve it, and we cannot reach it."""
    loop = asyncio.get_running_loop()
    try:
        found = await loop.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except OSError:
        return []
    return [str(info[4][0]) for info in found]


def _check_pictures(paths: list[Path]) -> None:
    """Let Pillow read each picture to its end, where it is installed.

    Raises:
        DownloadError: One cannot be decoded.
    """
    try:
        pillow: Any = import_module("PIL.Image")
    except ImportError:
        return
    for path in paths:
        if path.suffix not in VIDEOS:
            _check_picture(pillow, path)


def _check_picture(pillow: Any, path: Path) -> None:
    foreign = (OSError, ValueError, SyntaxError, pillow.DecompressionBombError)
    try:
        with pillow.open(path) as picture:
            picture.load()
    except foreign as error:
        raise DownloadError(f"the picture cannot be decoded: {error}") from None
