"""Builds a layer: ``python3.12 -m toolchain LAYER DESTINATION``, as the layers' Makefiles do."""

import shutil
import signal
import sys
import tempfile
from pathlib import Path

from . import cache, machine, packages, reproducible
from .machine import BuildError

HERE = Path(__file__).parent


def build(layer: str, destination: Path) -> None:
    """Put a layer's files into a folder, built now or taken from the cache.

    Raises:
        BuildError: the machine lacks something, or a step fails.
    """
    versions = machine.check()
    tools = cache.entry(
        "tools",
        cache.key_of([HERE / "requirements.txt"], versions),
        lambda folder: packages.install(HERE / "requirements.txt", folder),
    )
    source = HERE.parent / layer
    built = cache.entry(
        layer,
        cache.key_of([HERE, source], versions),
        lambda folder: _make(source, tools, folder),
    )
    shutil.copytree(built, destination, dirs_exist_ok=True)


def _make(source: Path, tools: Path, layer: Path) -> None:
    with tempfile.TemporaryDirectory(prefix="work-", dir=layer.parent) as folder:
        work = Path(folder)
        packages.unpack(source / "sources.txt", work / "sources", source=True)
        packages.unpack(source / "wheels.txt", work / "wheels", source=False)
        machine.run(source / "build.sh", work, layer, tools)
        reproducible.make_reproducible(layer)


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("ended"))  # ends its children too
    try:
        build(sys.argv[1], Path(sys.argv[2]))
    except BuildError as error:
        sys.exit(f"{sys.argv[1]} layer: {error}")
