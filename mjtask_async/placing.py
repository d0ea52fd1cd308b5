"""Names for the files of a bulk run, and files under their names; no file is ever overwritten.

1. A name is chosen, told to the journal, and then given. A name that the journal tells of is
   never chosen again, whether a file bears it yet or not.
2. A file gets its name by a hard link, which fails if there is such a file: another run in the
   same folder may be faster, and a disk may take two spellings for one.
3. Killed between the two, the next run finds its own picture under the name: it has the same
   content, and stays as it is.
4. It blocks: worker threads call it, several at a time.
"""

import filecmp
import os
import shutil
import stat
from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from threading import Lock

from ._core.filenames import Template
from .errors import DownloadError
from .jobs import Entry


class Places:
    """The names in one folder.

    Args:
        folder: Where the files go.
        template: How they are called.
    """

    def __init__(self, folder: Path, template: Template) -> None:
        self.folder: Path = folder
        self._template = template
        self._taken: set[str] = set()
        self._mutex = Lock()  # two threads must not find the same name free

    def open(self, unfinished: Path, taken: Iterable[str]) -> None:
        """Make the folder, and an empty one for what is unfinished.

        Args:
            unfinished: That folder.
            taken: Paths that have been promised to jobs.

        Raises:
            DownloadError: The folder cannot be written.
        """
        self._taken.update(taken)
        made = [each for each in (self.folder, *self.folder.parents) if not each.exists()]
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            shutil.rmtree(unfinished, ignore_errors=True)
            unfinished.mkdir(exist_ok=True)
            for each in made:
                with suppress(PermissionError):  # not ours to open
                    flush(each.parent)
        except OSError as error:
            message = f"the pictures' folder {self.folder} cannot be used: {error}"
            raise DownloadError(message) from error

    def promised(self, staged: Sequence[Path], paths: Sequence[Path]) -> dict[Path, Path]:
        """Give staged files the names that an earlier run chose, if they are of this folder."""
        if len(paths) != len(staged) or not all(map(self._holds, paths)):
            return {}
        return dict(zip(staged, paths, strict=True))

    def choose(
        self, entry: Entry, label: str, staged: Sequence[Path], nameless: Collection[Path]
    ) -> dict[Path, Path]:
        """Choose names that no other file has or will have, for some of a task's files."""
        chosen: dict[Path, Path] = {}
        for number, part in enumerate(staged, 1):
            if part in nameless:
                names = self._template.names(
                    index=entry.index,
                    prompt=entry.job.prompt,
                    label=f"{label}-{number}" if len(staged) > 1 else label,
                    ext=part.suffix.removeprefix("."),
                    key=entry.job.key or "",
                    task_id=part.stem.removesuffix(f"-{number}"),
                )
                chosen[part] = self._reserve(map(self.folder.joinpath, names))
        return chosen

    def give(self, names: Mapping[Path, Path], promised: Collection[Path]) -> list[Path]:
        """Give files their names.

        Args:
            names: Where each file shall go.
            promised: Those among them whose names were chosen by an earlier run.

        Returns:
            Files that are still nameless: another file was faster.

        Raises:
            DownloadError: The folder cannot be written.
        """
        nameless: list[Path] = []
        for part, path in names.items():
            try:
                is_free = _put(part, path)
                if not is_free and not (part in promised and _are_equal(part, path)):
                    nameless.append(part)
            except OSError as error:
                raise DownloadError(f"the picture {path} cannot be written: {error}") from error
        return nameless

    def finish(self, staged: Sequence[Path]) -> None:
        """Make the names last, and remove what the files were called before.

        Raises:
            DownloadError: The folder cannot be written.
        """
        for part in staged[:1]:
            shutil.rmtree(part.parent, ignore_errors=True)
        try:
            flush(self.folder)
        except OSError as error:
            message = f"the pictures' folder {self.folder} cannot be written: {error}"
            raise DownloadError(message) from error

    def _holds(self, path: Path) -> bool:
        try:
            return path.parent.samefile(self.folder)
        except OSError:  # that folder is gone
            return False

    def _reserve(self, paths: Iterable[Path]) -> Path:
        with self._mutex:
            free = next(
                path for path in paths if str(path) not in self._taken and not os.path.lexists(path)
            )
            self._taken.add(str(free))
            return free


def are_there(paths: Iterable[Path]) -> bool:
    """Whether all of some files exist, and none has been emptied."""
    return all(map(_holds_something, paths))


def flush(folder: Path) -> None:
    """Put the names of a folder on the disk; Windows does so by itself."""
    if os.name == "nt":  # pragma: no cover -- folders cannot be opened there
        return
    number = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(number)
    finally:
        os.close(number)


def _holds_something(path: Path) -> bool:
    try:
        found = path.stat()
    except OSError:
        return False
    return stat.S_ISREG(found.st_mode) and found.st_size > 0


def _put(part: Path, path: Path) -> bool:
    """Give a file its name; False if another one has it."""
    try:
        os.link(part, path)
    except FileExistsError:
        return False
    except OSError:  # not every disk knows links; whatever else is wrong will show
        return _put_without_links(part, path)
    return True


def _put_without_links(part: Path, path: Path) -> bool:
    """Take the name with an empty file, and put the picture in its place."""
    try:
        os.close(os.open(path, os.O_CREAT | os.O_EXCL))
    except FileExistsError:
        return False
    try:
        part.replace(path)
    except OSError:
        path.unlink(missing_ok=True)
        raise
    return True


def _are_equal(part: Path, path: Path) -> bool:
    return filecmp.cmp(part, path, shallow=False)
