"""A finished file is put in its place whole, and never over another."""

import os
from pathlib import Path


def put(part: Path, path: Path) -> None:
    """Move a file, which is on disk, to where nothing is; both in one folder.

    Raises:
        FileExistsError: something is there.
        OSError
    """
    try:
        os.link(part, path)
    except FileExistsError:
        raise
    except OSError:
        # Some file systems know no links; then somebody else may be quicker between these two lines.
        if path.exists():
            raise FileExistsError(path) from None
        part.rename(path)
    else:
        part.unlink()
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
