"""A grid of four pictures is cut into its pictures, with Pillow, which is loaded when needed.

Everything here blocks: call it in a worker thread.
"""

from importlib import import_module
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .errors import ConfigurationError, DownloadError
from .models import Task, TaskAction

if TYPE_CHECKING:
    from PIL.Image import Image

MISSING = 'split=True needs Pillow, which is not installed: pip install "mjtask_async[cli]"'
_SINGLE = frozenset(
    (
        *(TaskAction.UPSCALE, TaskAction.UPSCALE_HD, TaskAction.SWAP_FACE, TaskAction.DESCRIBE),
        *(TaskAction.SHORTEN, TaskAction.SWAP_VIDEO_FACE, TaskAction.VIDEO),
    )
)
_OPTIONS: dict[str, dict[str, Any]] = {
    "PNG": {"compress_level": 1},
    "JPEG": {"quality": 95, "subsampling": 0},
    "WEBP": {"quality": 95},
}


def require_pillow() -> None:
    """Check that grids can be cut.

    Raises:
        ConfigurationError: Pillow is missing; the message says how to install it.
    """
    try:
        import_module("PIL.Image")
    except ImportError as error:
        raise ConfigurationError(MISSING) from error


def is_grid(source: Task | str) -> bool:
    """Whether a task's picture may hold four: an upscale is known to hold one."""
    return isinstance(source, str) or source.action not in _SINGLE


def quarters(path: Path) -> list[bytes]:
    """Cut a picture into its four quarters, in reading order: 1 and 2 above 3 and 4.

    Raises:
        DownloadError: It is no picture that Pillow understands.
    """
    from PIL import Image, UnidentifiedImageError  # noqa: PLC0415 -- an extra

    foreign = (OSError, ValueError, SyntaxError, UnidentifiedImageError)
    try:
        with Image.open(path) as grid:
            return _cut(grid)
    except (*foreign, Image.DecompressionBombError) as error:
        raise DownloadError(f"the picture cannot be cut into four: {error}") from error


def _cut(grid: "Image") -> list[bytes]:
    width, height = grid.size
    across, down = (0, width // 2, width), (0, height // 2, height)
    kind = grid.format or ""
    return [
        _encoded(grid.crop((across[x], down[y], across[x + 1], down[y + 1])), kind)
        for y in (0, 1)
        for x in (0, 1)
    ]


def _encoded(picture: "Image", kind: str) -> bytes:
    buffer = BytesIO()
    picture.save(buffer, kind, **_OPTIONS.get(kind, {}))
    return buffer.getvalue()
