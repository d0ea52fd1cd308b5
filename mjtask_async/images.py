"""Pictures and videos come home: streamed, checked, and put in place by one rename.

1. No API request passes here. A redirect is followed by our own loop, at most `REDIRECTS`
   times, and the key goes along only to the API's own origin.
2. A file exists under its name only when it is whole; until then it is a ``.part``.
3. Disks are slow: every call to one happens in a worker thread.
"""

import asyncio
import os
import secrets
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO, TypeVar
from urllib.parse import quote

import anyio
from anyio import to_thread
from yarl import URL

from ._core.media import HEAD, LARGEST_IMAGE, LARGEST_VIDEO, VIDEOS, is_whole, suffix_of
from ._core.names import safe_name
from ._given import check_address
from ._transport import Stream, Transport
from .errors import DownloadError, ImageExpiredError, MJTaskError
from .grids import is_grid, quarters, require_pillow
from .models import Task

R = TypeVar("R")
REDIRECTS = 5
_REDIRECTS = frozenset((301, 302, 303, 307, 308))
_GONE = frozenset((403, 404, 410))
_HERE = frozenset(("localhost", "127.0.0.1", "::1"))
_BLOCK = 2**20
_RELAYED = "/mj/image/"
_NO_PICTURE_YET = 500
_LATE, _LATE_TRIES = 5.0, 13
"""Seconds between two tries, and how many: a relay's row may be 45 s old, and a little more."""


async def download(
    transport: Transport,
    source: Task | str,
    dest: str | os.PathLike[str],
    *,
    overwrite: bool,
    idle: float,
    split: bool = False,
) -> list[Path]:
    """Bring all links of ``source`` home; see `MJSession.download`."""
    if split:
        await to_thread.run_sync(require_pillow)
    links = [_checked(transport, link) for link in _links(source)]
    into = Path(dest)
    named = not os.fspath(dest).endswith(("/", os.sep)) and not await _on_disk(into.is_dir)
    folder = into.parent if named else into
    paths: list[Path] = []
    try:
        for number, link in enumerate(links, 1):
            name = _name(into if named else None, source, link, number if len(links) > 1 else 0)
            cut = split and is_grid(source)
            target = _Target(folder, name, named=named, overwrite=overwrite, cut=cut)
            paths += await _bring(transport, _addresses(transport, link), target, idle)
    except MJTaskError as error:
        raise error.with_traceback(None) from error.__cause__  # frames hold what servers echo
    return paths


def _name(into: Path | None, source: Task | str, link: URL, number: int) -> str:
    """Name a file as asked, or after its task; several files get numbers."""
    end = f"-{number}" if number else ""
    if into is not None:
        return f"{into.stem}{end}{into.suffix}" if number else into.name
    return safe_name(source.id if isinstance(source, Task) else Path(link.path).stem) + end


def _links(source: Task | str) -> list[str]:
    if isinstance(source, str):
        return [source]
    videos = [media.url for media in source.video_urls or () if media.url]
    pictures = [media.url for media in source.image_urls or () if media.url]
    links = (
        videos
        or ([source.video_url] if source.video_url else [])
        or ([source.image_url] if source.image_url else [])
        or pictures
    )
    if not links:
        raise DownloadError(f"task {source.id} has no picture; has it succeeded?")
    return links


def _checked(transport: Transport, link: str, base: URL | None = None) -> URL:
    """Keep a link as it is, query included: signatures stand there (contract Q14)."""
    with suppress(ValueError):
        plain = link.isascii() and link.isprintable() and " " not in link
        url = URL(link, encoded=plain)
        return check_address(base.join(url) if base else url)
    shown = transport.shown(link)
    raise DownloadError(f"{shown[:200]!r} is no http(s) link", url=shown)


def _addresses(transport: Transport, link: URL) -> list[URL]:
    """List where to ask: a relay that does not know its own address says localhost."""
    _, relayed, task_id = link.path.rpartition(_RELAYED)
    if link.host not in _HERE or link.origin() == transport.origin or not relayed:
        return [link]
    own = URL(f"{transport.root}image/{quote(task_id, safe='')}", encoded=True)
    return [link, own] if transport.origin.host in _HERE else [own]


class _Target:
    """Where one file goes; all its methods block."""

    def __init__(
        self, folder: Path, name: str, *, named: bool, overwrite: bool, cut: bool = False
    ) -> None:
        self._folder = folder
        self._name = name
        self._named = named
        self._overwrite = overwrite
        self._cut = cut
        self._part = folder / f".{secrets.token_hex(8)}.part"
        self._pieces: list[Path] = []
        self._file: BinaryIO | None = None
        self._tail = b""

    def begin(self, suffix: str) -> None:
        """Open the unfinished file, once its kind is known."""
        self._folder.mkdir(parents=True, exist_ok=True)
        self._finals(suffix)
        self._file = self._part.open("xb")

    def append(self, block: bytes) -> None:
        """Write a block."""
        assert self._file is not None  # noqa: S101 -- begin came first
        self._file.write(block)
        self._tail = (self._tail + block[-HEAD:])[-HEAD:]

    def finish(self, suffix: str) -> list[Path]:
        """Put the whole file, or what it is cut into, in its place."""
        assert self._file is not None  # noqa: S101 -- begin came first
        if not is_whole(suffix, self._tail):
            raise DownloadError("the picture was cut off; try again")
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()
        finals = self._finals(suffix)
        if len(finals) == 1:
            return [self._part.replace(finals[0])]
        parts = [self._write(number, piece) for number, piece in enumerate(quarters(self._part))]
        return [part.replace(final) for part, final in zip(parts, finals, strict=True)]

    def _write(self, number: int, piece: bytes) -> Path:
        part = self._part.with_suffix(f".{number}.part")
        self._pieces.append(part)
        with part.open("xb") as file:
            file.write(piece)
            file.flush()
            os.fsync(file.fileno())
        return part

    def discard(self) -> None:
        """Leave nothing unfinished behind."""
        if self._file is not None:
            self._file.close()
            for part in (self._part, *self._pieces):
                part.unlink(missing_ok=True)

    def _finals(self, suffix: str) -> list[Path]:
        """Name the files: one, or the four of a grid."""
        if not self._cut or suffix in VIDEOS:
            return [self._final(suffix)]
        return [self._final(suffix, f"-{number}") for number in range(1, 5)]

    def _final(self, suffix: str, end: str = "") -> Path:
        name = Path(self._name if self._named else self._name + suffix)
        final = self._folder / f"{name.stem}{end}{name.suffix}"
        if not self._overwrite and final.exists():
            raise DownloadError(f"{final} exists; give overwrite=True to replace it")
        return final


async def _bring(
    transport: Transport, addresses: list[URL], target: _Target, idle: float
) -> list[Path]:
    """Try the addresses in turn; the last one's error counts."""
    for last, url in enumerate(addresses, 1 - len(addresses)):
        try:
            return await _patiently(transport, url, target, idle)
        except MJTaskError:
            if last == 0:
                raise
    raise AssertionError(addresses)  # pragma: no cover -- the last address returns or raises


async def _patiently(transport: Transport, url: URL, target: _Target, idle: float) -> list[Path]:
    """Ask a relay for a while: after a modal it serves the older of two rows, a refresh late (Q7)."""
    for left in range(_LATE_TRIES if _RELAYED in url.path else 1, 0, -1):
        try:
            return await _bring_from(transport, url, target, idle)
        except DownloadError as error:
            if error.status != _NO_PICTURE_YET or left == 1:
                raise
        await anyio.sleep(_LATE)
    raise AssertionError(url)  # pragma: no cover -- the last try returns or raises


async def _bring_from(transport: Transport, url: URL, target: _Target, idle: float) -> list[Path]:
    stream = await _follow(transport, url, idle)
    try:
        suffix = await _copy(transport, stream, target, transport.shown(url))
        return await _on_disk(target.finish, suffix)
    finally:
        stream.close()
        await _on_disk(target.discard)


async def _follow(transport: Transport, url: URL, idle: float) -> Stream:
    """Open ``url`` and go where it leads; other origins never see the key."""
    for _ in range(REDIRECTS + 1):
        stream = await transport.open(url, idle=idle, with_key=url.origin() == transport.origin)
        if stream.status not in _REDIRECTS:
            break
        stream.close()
        url = _checked(transport, stream.headers.get("location", ""), url)
    else:
        raise DownloadError(f"more than {REDIRECTS} redirects", url=transport.shown(url))
    if stream.status != 200:
        stream.close()
        raise _refused(url, transport.shown(url), stream.status)
    return stream


def _refused(url: URL, shown: str, status: int) -> DownloadError:
    if status in _GONE and ("ex" in url.query or status == 410):
        message = "the link has expired; fetch the task again for a fresh one"
        return ImageExpiredError(message, url=shown, status=status)
    return DownloadError(f"the picture's server answers HTTP {status}", url=shown, status=status)


async def _copy(transport: Transport, stream: Stream, target: _Target, url: str) -> str:
    """Write what comes, block by block; say what it is."""
    block, size = await _block(stream), 0
    suffix = suffix_of(block[:HEAD])
    if suffix is None:
        head = transport.shown(block[:1024].decode("latin-1"))[:HEAD]
        raise DownloadError(f"not a picture: it begins with {head!r}", url=url)
    limit = LARGEST_VIDEO if suffix in VIDEOS else LARGEST_IMAGE
    await _on_disk(target.begin, suffix)
    while block:
        size += len(block)
        if size > limit:
            raise DownloadError(f"larger than {limit} bytes", url=url)
        await _on_disk(target.append, block)
        block = await _block(stream)
    return suffix


async def _block(stream: Stream) -> bytes:
    """Collect a block worth a trip to a worker thread; empty at the end."""
    block = bytearray()
    while len(block) < _BLOCK and (piece := await stream.read()):
        block += piece
    return bytes(block)


async def _on_disk(work: Callable[..., R], *args: Any) -> R:
    """Run what blocks in a worker thread; a cancelled call returns when it is done."""
    job = asyncio.ensure_future(to_thread.run_sync(work, *args))
    cancelled: asyncio.CancelledError | None = None
    with anyio.CancelScope(shield=True):
        while not job.done():
            try:
                await asyncio.wait((job,))
            except asyncio.CancelledError as error:
                cancelled = error
    failed = job.exception()
    if cancelled is not None:
        raise cancelled
    if isinstance(failed, OSError):
        raise DownloadError(f"cannot write the picture: {failed}") from failed
    return job.result()
