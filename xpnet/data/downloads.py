"""Files from the internet: fetched once, checked by their SHA-256, and kept in a cache folder.

pooch (extra `data`) downloads; what is in the cache already needs neither it nor a network.
"""

import contextlib
import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from xpnet.base.atomic_files import checked_path, file_errors, replace_whole
from xpnet.base.console import is_terminal
from xpnet.base.regular_files import opened
from xpnet.errors import FileError, FormatError, MissingExtraError

_TIMEOUT = 30  # seconds without an answer


def cache_folder() -> Path:
    """Where downloads are kept: the environment variable XPNET_DATA, or xpnet in the user's cache folder."""
    if named := os.environ.get("XPNET_DATA"):
        return checked_path(named)
    home = Path.home()
    if sys.platform == "win32":
        return checked_path(os.environ.get("LOCALAPPDATA") or home / "AppData/Local") / "xpnet" / "data"
    if sys.platform == "darwin":
        return home / "Library" / "Caches" / "xpnet" / "data"
    return checked_path(os.environ.get("XDG_CACHE_HOME") or home / ".cache") / "xpnet" / "data"


def offline_by_default() -> bool:
    """Whether the environment variable XPNET_OFFLINE forbids the network."""
    return os.environ.get("XPNET_OFFLINE", "0").lower() not in ("", "0", "false", "no")


def fetch(path: Path, sha256: str, urls: Sequence[str], offline: bool | None = None) -> Path:
    """The file at `path`, downloaded from the first of `urls` that gives it whole, unless it is there already.

    A download becomes visible only when its SHA-256 is right. offline: never touch the network (None: as XPNET_OFFLINE
    says).

    Raises FileError if no mirror gives the file, with what each of them answered, or if it is not there and `offline`;
    FormatError if the file is there, has another SHA-256, and cannot be fetched anew because of `offline`;
    MissingExtraError if pooch is needed and not installed.
    """
    offline = offline_by_default() if offline is None else offline
    found = _sha256(path)
    if found == sha256:
        return path
    if offline:
        if found is None:
            raise FileError(f"{path} is not there, and offline nothing is downloaded; put there the file {urls[0]}")
        raise FormatError(
            f"{path} has the SHA-256 {found}, expected {sha256}, and offline nothing is downloaded; replace it by the "
            f"file {urls[0]}"
        )
    failures = []
    for url in urls:
        failure = _download(url, path, sha256)
        if failure is None:
            return path
        failures.append(f"{url}: {failure}")
    raise FileError(
        f"{path.name} could not be downloaded:\n  " + "\n  ".join(failures) + f"\nCheck the network, or put the file to"
        f" {path} by hand"
    )


def _download(url: str, path: Path, sha256: str) -> str | None:
    """Why it failed, or None."""
    import shutil

    try:
        import pooch
    except ImportError as error:
        raise MissingExtraError(f'downloads need pooch ({error}). Install it: pip install "xpnet[data]"') from error
    import requests

    as_it_is = {"Accept-Encoding": "identity"}  # not decompressed on the way
    get = pooch.HTTPDownloader(timeout=_TIMEOUT, progressbar=is_terminal(), headers=as_it_is)
    writing = file_errors(
        f"cannot write {path}",
        ". Choose another folder with XPNET_DATA",
        exists="File exists",
        foreign=lambda error: isinstance(error, requests.RequestException),
    )
    logger = pooch.get_logger()
    level = logger.level
    logger.setLevel("WARNING")
    try:
        with writing:
            path.parent.mkdir(parents=True, exist_ok=True)
            with _beside(path) as folder:
                fetched = pooch.retrieve(url, f"sha256:{sha256}", path.name, folder, downloader=get)
                with opened(fetched) as file:  # with the rights of a file that is written here
                    replace_whole(path, lambda whole: shutil.copyfileobj(file, whole))
    except requests.RequestException as error:
        response = error.response
        return f"{response.status_code} {response.reason}" if response is not None else f"{_short(error)}"
    except ValueError as error:  # pooch's, for another SHA-256
        return "the file has another SHA-256 than expected" if "hash" in str(error).lower() else _short(error)
    finally:
        logger.setLevel(level)
    return None


@contextlib.contextmanager
def _beside(path: Path) -> Iterator[str]:
    """A new folder on the disk of `path`, which is removed with all that is in it."""
    import tempfile

    with tempfile.TemporaryDirectory(prefix=".xpnet-", dir=path.parent, ignore_cleanup_errors=True) as folder:
        yield folder


def _short(error: Exception) -> str:
    lines = str(error).splitlines()
    return f"{type(error).__name__}: {lines[0][:200]}" if lines else type(error).__name__


def _sha256(path: Path) -> str | None:
    """Of the file, or None if there is none."""
    import hashlib

    with file_errors(f"cannot read {path}", advice=""):
        try:
            with opened(checked_path(path)) as file:
                return hashlib.file_digest(file, "sha256").hexdigest()
        except (FileNotFoundError, NotADirectoryError):
            return None
