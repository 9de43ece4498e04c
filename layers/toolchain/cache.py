"""Finished builds: a folder for each set of inputs, below the user's cache folder."""

import fcntl
import hashlib
import os
import shutil
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path


def root() -> Path:
    home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(home) / "lambda-mxnet-classifier" / "layers"


def key_of(inputs: Iterable[Path], versions: str) -> str:
    """The hash of files, of folders of files, and of what the machine brings along."""
    digest = hashlib.sha256(versions.encode())
    for top in inputs:
        files = sorted(top.rglob("*")) if top.is_dir() else [top]
        for file in files:
            if file.is_file() and file.suffix != ".pyc":
                digest.update(f"{top.name}/{file.relative_to(top)}\0".encode())
                digest.update(hashlib.sha256(file.read_bytes()).digest())
    return digest.hexdigest()[:16]


def entry(name: str, key: str, make: Callable[[Path], None]) -> Path:
    """The folder of these inputs; ``make`` fills it when they are new.

    It appears whole or not at all. Two builds that need the same one make it once.
    """
    folder = root() / f"{name}-{key}"
    folder.parent.mkdir(parents=True, exist_ok=True)
    with Path(f"{folder}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if folder.is_dir():
            return folder
        unfinished = Path(tempfile.mkdtemp(prefix=f"{name}-unfinished-", dir=folder.parent))
        try:
            make(unfinished)
            unfinished.chmod(0o755)
            unfinished.rename(folder)
        except BaseException:
            shutil.rmtree(unfinished, ignore_errors=True)
            raise
    return folder
