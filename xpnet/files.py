"""Files that appear whole or not at all."""

import os
import secrets
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

from xpnet.errors import FileError


def write_atomically(path: str | os.PathLike[str], write: Callable[[IO[bytes]], Any]) -> None:
    """`write(file)` fills a temporary file beside `path`, which is flushed to the disk and then renamed.

    If `write` fails, or the power does, what was at `path` is still there. Raises FileError if the file cannot be
    written.
    """
    path = Path(path)
    temporary = path.parent / f".xpnet-{secrets.token_hex(8)}.tmp"
    try:
        try:
            with open(temporary, "xb") as file:
                write(file)
                file.flush()
                os.fsync(file.fileno())
            os.replace(temporary, path)
        finally:
            temporary.unlink(missing_ok=True)
    except OSError as error:
        raise FileError(
            f"cannot write {path}: {error.strerror or error}. Choose a folder that exists and that you may write to"
        ) from error
