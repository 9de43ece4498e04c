"""Builds a layer: ``python3.12 -m toolchain LAYER DESTINATION``, as the layers' Makefiles do."""

import shutil
import signal
import sys
import tempfile
from pathlib import Path

from . import cache, machine, packages, seal
from .machine import BuildError

HERE = Path(__file__).parent


def build(layer: str, destination: Path) -> None:
    """Put a layer's files into a folder, built now or taken from the cache.

    Raises BuildError when the machine lacks something or when a step fails.
    """
    versions = machine.check()
    tools = cache.entry(
        "tools",
        cache.key_of([HERE / "requirements.txt"], versions),
        lambda folder: packages.install(HERE / "requirements.txt", folder),
    )
    preprocessing = HERE.parent / layer
    built = cache.entry(
        layer,
        cache.key_of([HERE, preprocessing], versions),
        lambda folder: _make(preprocessing, tools, folder),
    )
    shutil.copytree(built, destination, dirs_exist_ok=True)


def _make(preprocessing: Path, tools: Path, layer: Path) -> None:
    with tempfile.TemporaryDirectory(prefix="work-", dir=layer.parent) as folder:
        work = Path(folder)
        packages.unpack(preprocessing / "sources.txt", work / "sources", source=True)
        packages.unpack(preprocessing / "wheels.txt", work / "wheels", source=False)
        machine.run(preprocessing / "build.sh", work, layer, tools)
        seal.seal(layer)


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("ended"))  # so that what it started ends too
    try:
        build(sys.argv[1], Path(sys.argv[2]))
    except BuildError as error:
        sys.exit(f"{sys.argv[1]} layer: {error}")
