"""Pinned packages from the user's own package index, by way of pip, each with its checksum."""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from .machine import BuildError

# Makes pip download a source distribution without building it; see the module inside.
STAND_IN = Path(__file__).parent / "pip_stand_in"


def install(requirements: Path, folder: Path) -> None:
    """Install wheels, with their programs in ``bin``, into a folder that is no environment."""
    print(f"installing the tool-chain of {requirements.name}", flush=True)
    _pip("install", "--target", str(folder), "--only-binary=:all:", requirements=requirements)


def unpack(requirements: Path, folder: Path, *, source: bool) -> None:
    """Download and unpack what a file pins: source distributions, or wheels.

    A source distribution becomes ``folder/<name>-<version>``, a wheel ``folder/<name>``.
    """
    print(f"downloading {requirements.parent.name}/{requirements.name}", flush=True)
    with tempfile.TemporaryDirectory() as downloads:
        kinds = ["--no-binary=:all:", "--no-build-isolation"] if source else ["--only-binary=:all:"]
        _pip("download", "--dest", downloads, *kinds, requirements=requirements)
        for archive in sorted(Path(downloads).iterdir()):
            if source:
                shutil.unpack_archive(archive, folder, filter="data")
            else:
                shutil.unpack_archive(archive, folder / archive.name.split("-")[0], "zip")


def _pip(command: str, *options: str, requirements: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "pip", command, "--quiet", "--disable-pip-version-check",
         "--no-deps", "--require-hashes", "--requirement", str(requirements), *options],
        env={**os.environ, "PYTHONPATH": str(STAND_IN)},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode:
        raise BuildError(f"pip {command} of {requirements.name} failed\n{done.stderr.strip()}")
