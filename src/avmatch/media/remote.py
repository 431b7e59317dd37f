"""Files in object stores and behind web addresses. The only importer of fsspec.

    s3://bucket/folder, gs://…, http(s)://host/clip.mp4 → names of files → a copy on disk while one is read

A folder or a glob of a store names its media files; a web address names one file. A file is fetched whole, once, when
it is to be decoded, and nothing else is. Copies are kept in a folder of bounded size under the version that the store
states (ETag, or time and size), the least recently used go first; a file without any is fetched each time. Credentials
are those of the environment, as the stores' own libraries find them.
"""

import hashlib
import re
import shutil
import tempfile
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import Any

from avmatch.core.errors import MediaError, MissingExtraError, UsageError
from avmatch.core.files import atomic_path

#: Copies take up no more than this, but for those that are being read.
MAX_BYTES = 10 << 30
#: A web server that says nothing for so long is given up.
QUIET_SECONDS = 60.0
_URL = re.compile(r"(s3|gs|https?)://[^/]", re.IGNORECASE)
_GLOB_SIGNS = re.compile(r"[*?\[]")
#: What states the version of a file, by the stores' names for it.
_VERSIONS = ("ETag", "etag", "Content-MD5", "Last-Modified", "LastModified", "generation", "mtime")
#: What a web server says of files that it hasn't.
_GONE = (404, 410)
_CREDENTIALS = "credentials come from the environment (AWS_ACCESS_KEY_ID …, GOOGLE_APPLICATION_CREDENTIALS)"


def is_url(path: object) -> bool:
    """Whether a name is that of a remote file."""
    return isinstance(path, str) and _URL.match(path) is not None


def list_urls(url: str, suffixes: Collection[str]) -> list[str]:
    """The files of a folder or glob in a store with one of these suffixes; or the URL itself, if it is that of a file.

    Raises:
        UsageError: there is nothing of this name, or it can't be asked for.
        MissingExtraError: a library is needed.
    """
    scheme = url.partition("://")[0]
    if scheme.lower().startswith("http"):
        return [url]
    store, path = _store(url)
    try:
        if _GLOB_SIGNS.search(path):
            found = store.glob(path)
        elif store.isfile(path):
            return [url]
        else:
            found = store.find(path)
    except Exception as error:
        raise UsageError(f"{url}: can't be listed ({_said(error)}); {_CREDENTIALS}") from error
    names = [f"{scheme}://{name}" for name in found if PurePosixPath(name).suffix.lower() in suffixes]
    if not names:
        raise UsageError(f"{url}: no media files found there; check the name, give a folder, a glob or a file")
    return names


@contextmanager
def local_copy(url: str, folder: Path | None, max_bytes: int = MAX_BYTES) -> Iterator[Path]:
    """A copy of a remote file, there as long as the block lasts.

    Args:
        folder: where copies are kept for the next time; None = nowhere.

    Raises:
        MediaError: there is no such file, or it can't be fetched.
        MissingExtraError: a library is needed.
    """
    store, path = _store(url)
    try:
        about = store.info(path)
        if about.get("type") == "directory":
            raise FileNotFoundError(path)
    except Exception as error:
        raise _not_there(url, error) from error
    version = [str(about[name]) for name in _VERSIONS if about.get(name)]
    suffix = PurePosixPath(path.partition("?")[0]).suffix
    if folder is None or not version:
        with tempfile.TemporaryDirectory(prefix="avmatch-") as temporary:
            yield _fetched(store, path, url, Path(temporary) / f"copy{suffix}")
        return
    from filelock import FileLock

    key = hashlib.blake2b("\n".join([url, str(about.get("size")), *version]).encode(), digest_size=16).hexdigest()
    folder.mkdir(parents=True, exist_ok=True)
    copy = folder / f"{key}{suffix}"
    with FileLock(folder / f"{key}.lock"):
        if copy.exists():
            copy.touch()
        else:
            _fetched(store, path, url, copy)
        _make_room(folder, copy, max_bytes)
        yield copy


def _store(url: str) -> tuple[Any, str]:
    try:
        import filelock  # noqa: F401  comes with the same extra
        import fsspec.core

        scheme, _, rest = url.partition("://")
        options = _patience() if scheme.lower().startswith("http") else {}
        store, path = fsspec.core.url_to_fs(f"{scheme.lower()}://{rest}", **options)
    except ImportError as error:
        raise MissingExtraError("fsspec and the library of the store", "remote", url) from error
    return store, str(path)


def _patience() -> dict[str, Any]:
    """A server may take long over a large file, but not long over nothing."""
    from aiohttp import ClientTimeout

    return {
        "client_kwargs": {"timeout": ClientTimeout(total=None, sock_connect=QUIET_SECONDS, sock_read=QUIET_SECONDS)}
    }


def _fetched(store: Any, path: str, url: str, target: Path) -> Path:
    try:
        with atomic_path(target) as temporary, store.open(path, "rb") as remote, temporary.open("wb") as file:
            shutil.copyfileobj(remote, file, 4 << 20)
    except Exception as error:
        raise _not_there(url, error) from error
    return target


def _make_room(folder: Path, needed: Path, max_bytes: int) -> None:
    """Remove the least recently used copies that nobody reads, until the rest fits."""
    from filelock import FileLock, Timeout

    copies = [(path.stat(), path) for path in folder.iterdir() if path.suffix != ".lock" and path.name[0] != "."]
    total = sum(status.st_size for status, _ in copies)
    for status, path in sorted(copies, key=lambda item: item[0].st_mtime_ns):
        if total <= max_bytes:
            return
        if path == needed:
            continue
        try:
            with FileLock(folder / f"{path.name.partition('.')[0]}.lock", timeout=0):
                path.unlink(missing_ok=True)
                total -= status.st_size
        except Timeout:
            continue


def _not_there(url: str, error: Exception) -> MediaError:
    if isinstance(error.__cause__, Exception) and url.lower().startswith("http"):
        error = error.__cause__  # fsspec says of all that goes wrong with a web address that there is no such file
    if isinstance(error, FileNotFoundError) or getattr(error, "status", None) in _GONE:
        message = "there is no such file in the store; check its name"
    else:
        message = f"could not be fetched ({_said(error)}); check the address and the network; {_CREDENTIALS}"
    return MediaError(url, message, stage="open", reason="unreadable")


def _said(error: Exception) -> str:
    return " ".join(f"{type(error).__name__}: {error}".split())[:300]
