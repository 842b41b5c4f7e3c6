"""The bytes of a log, whatever they come in: a file, gzip, a pipe, standard input, UTF-16 or another encoding.

What is opened can be sought in, and text in it is UTF-8. What needs it is copied for that into a temporary file that
has no name in any folder and is gone when it is closed: what customers said is not left behind.
"""

import gzip
import io
import os
import shutil
import sys
import tempfile
import zlib
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, cast

from preceptor.errors import NotFound, SettingsError

STDIN = Path("-")
"""Standard input, as a path."""
GZIP = ".gz"
_GZIP, _UTF_16 = b"\x1f\x8b", (b"\xff\xfe", b"\xfe\xff")
_PIECE = 1 << 20


@dataclass
class Opened:
    """A log about to be read."""

    file: BinaryIO
    suffix: str
    """Of the file's name, in small letters; of what is inside, if it is compressed."""
    as_it_lies: bool
    """Whether a place in `file` is a place in the file on the disk."""
    size: int
    """Bytes to read, as `position` counts them."""
    _raw: BinaryIO

    @property
    def position(self) -> int:
        """Bytes read so far."""
        return 0 if self._raw.closed else self._raw.tell()


@contextmanager
def opened(path: Path, encoding: str | None = None) -> Iterator[Opened]:
    """`encoding`: of its text, where that is not UTF-8 and no UTF-16 that says so.

    Raises:
        NotFound, SettingsError: there is no such file, it cannot be read, is damaged, or holds no text in `encoding`.
    """
    try:
        with ExitStack() as stack:
            yield _opened(path, encoding, stack)
    except FileNotFoundError:
        raise NotFound(f"There is no log file {str(path)!r}.") from None
    except (EOFError, zlib.error, gzip.BadGzipFile) as fault:
        raise SettingsError(f"{path}: is cut off or damaged: {str(fault).rstrip('.')}.") from None
    except OSError as fault:
        raise SettingsError(f"{path}: cannot be read: {str(fault.strerror or fault).rstrip('.')}.") from None


def _opened(path: Path, encoding: str | None, stack: ExitStack) -> Opened:
    raw = cast(BinaryIO, sys.stdin.buffer) if path == STDIN else stack.enter_context(path.open("rb"))
    changed = not raw.seekable()
    if changed:
        raw = _copied(raw, stack)
    file, suffix = raw, path.suffix.lower()
    if _begins(raw).startswith(_GZIP):
        file, changed = cast(BinaryIO, stack.enter_context(gzip.GzipFile(fileobj=raw))), True
        suffix = Path(path.stem).suffix.lower() if suffix == GZIP else suffix
    wide = _begins(file).startswith(_UTF_16)
    if encoding or wide:
        raw = file = _recoded(file, encoding or "utf-16", path, stack)
        changed = True
    return Opened(file, suffix, not changed, _size(raw), raw)


def _begins(file: BinaryIO) -> bytes:
    head = file.read(2)
    file.seek(0)
    return head


def _size(file: BinaryIO) -> int:
    size = file.seek(0, os.SEEK_END)
    file.seek(0)
    return size


@contextmanager
def _unnamed() -> Iterator[BinaryIO]:
    with tempfile.TemporaryFile() as file:
        yield cast(BinaryIO, file)


def _copied(file: BinaryIO, stack: ExitStack) -> BinaryIO:
    copy = stack.enter_context(_unnamed())
    shutil.copyfileobj(file, copy, _PIECE)
    copy.seek(0)
    return copy


def _recoded(file: BinaryIO, encoding: str, path: Path, stack: ExitStack) -> BinaryIO:
    copy = stack.enter_context(_unnamed())
    try:
        text = io.TextIOWrapper(file, encoding, newline="")
    except (LookupError, ValueError):
        raise SettingsError(f"{path}: there is no encoding {encoding!r}; cp1252 and latin-1 are common ones.") from None
    try:
        while piece := text.read(_PIECE):
            copy.write(piece.encode())
    except UnicodeError:
        raise SettingsError(f"{path}: is no text in {encoding}. Save it as UTF-8.") from None
    finally:
        text.detach()
    copy.seek(0)
    return copy
