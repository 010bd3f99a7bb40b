"""Files written whole: a reader, or a run after a crash, meets the old file or the new one, never half of it."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

PRIVATE, SHARED = 0o600, 0o644  # what holds people's data is its owner's alone; a plan or a picture is for everybody


@contextmanager
def written_whole(path: str | Path, mode: int = SHARED) -> Iterator[Path]:
    """A file beside `path` to write to: it is on disk and takes the name when the block ends, and is gone if it fails.

    Raises `OSError` where the folder cannot be written to.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     with written_whole(Path(folder) / "note.txt") as part:
    ...         _ = part.write_text("all of it")
    ...     print(*(file.name for file in Path(folder).iterdir()))
    note.txt
    """
    target = Path(path)
    part = target.with_name(f".{target.name}.{secrets.token_hex(4)}.part")
    try:
        os.close(os.open(part, os.O_CREAT | os.O_EXCL | os.O_WRONLY, PRIVATE))
        yield part
        with part.open("rb") as written:
            os.fsync(written.fileno())
        part.chmod(mode)
        part.replace(target)
    except BaseException:
        with suppress(OSError):  # there may be no folder to remove it from
            part.unlink(missing_ok=True)
        raise
    _sync_folder(target.parent)


def write_text(path: str | Path, text: str, mode: int = SHARED) -> None:
    """Write a text file in UTF-8, whole or not at all. Raises `OSError`."""
    with written_whole(path, mode) as part:
        part.write_text(text, encoding="utf-8")


def _sync_folder(folder: Path) -> None:
    """The new name on disk too, where the system can be asked for it."""
    with suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
