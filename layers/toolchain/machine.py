"""The machine that builds: what must be on it, and how a build script runs there."""

import collections
import importlib.util
import os
import platform
import shutil
import signal
import subprocess
import sys
import sysconfig
import time
from pathlib import Path

# Every file's time in the layers, and whatever a compiler would date: 2022-01-01.
EPOCH = 1_640_995_200
SECONDS_BETWEEN_LINES = 15


class BuildError(Exception):
    """The layer cannot be built; the message says why and, where it is known, what helps."""


def check() -> str:
    """The versions of what the machine brings to the build.

    Raises:
        BuildError: something is missing. The message names it and the command that installs it.
    """
    if (sys.platform, platform.machine()) != ("linux", "x86_64"):
        raise BuildError("it is built on Linux on x86_64, as Lambda runs it")
    missing = {}
    if not shutil.which("nasm"):  # without it JPEG decodes at little more than half the speed
        missing["nasm"] = "apt-get install nasm, or dnf install nasm"
    if not Path(sysconfig.get_path("include"), "Python.h").is_file():
        missing["Python.h"] = "apt-get install python3.12-dev, or dnf install python3.12-devel"
    if not importlib.util.find_spec("pip"):
        missing["pip"] = "apt-get install python3-pip, or python3.12 -m ensurepip"
    if missing:
        lines = [f"  {what}: {command}" for what, command in missing.items()]
        raise BuildError("this machine lacks\n" + "\n".join(lines))
    nasm = subprocess.run(["nasm", "-v"], capture_output=True, text=True, check=True)
    return f"Python {platform.python_version()}, {nasm.stdout.strip()}"


def run(script: Path, work: Path, layer: Path, tools: Path) -> None:
    """Run a layer's build.sh in ``work``, which holds its sources and wheels, to fill ``layer``.

    Prints a line now and then.

    Raises:
        BuildError: the script fails. The message holds the last lines of its log.
    """
    name, started = script.parent.name, time.monotonic()
    print(f"building the {name} layer from source: some minutes, once", flush=True)
    last, due = collections.deque[str](maxlen=40), started + SECONDS_BETWEEN_LINES
    with subprocess.Popen(
        ["/bin/sh", "-eu", str(script)], cwd=work, env=_environment(work, layer, tools),
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        text=True, errors="replace", start_new_session=True,
    ) as process:  # fmt: skip
        assert process.stdout
        try:
            for line in process.stdout:
                last.append(line)
                if line.strip() and time.monotonic() > due:
                    due = time.monotonic() + SECONDS_BETWEEN_LINES
                    print(f"{name} {due - started:4.0f} s  {line.strip():.90}", flush=True)
        except BaseException:
            os.killpg(process.pid, signal.SIGKILL)  # compilers too, which Ctrl-C misses
            raise
    if process.returncode:
        raise BuildError(f"{script.name} failed\n" + "".join(last))
    print(f"built the {name} layer in {time.monotonic() - started:.0f} s", flush=True)


def _environment(work: Path, layer: Path, tools: Path) -> dict[str, str]:
    """Variables of a build script: of the caller's only PATH, so that all builds are alike."""
    binaries = [Path(__file__).parent / "bin", tools / "bin", tools / "cmake" / "data" / "bin"]
    # Fused multiply-adds would round otherwise than the wheels do.
    flags = "-g0 -w -ffp-contract=off"
    return {
        "PATH": os.pathsep.join([*map(str, binaries), os.environ["PATH"]]),
        "HOME": str(work),
        "LC_ALL": "C",
        "TZ": "UTC",
        "SOURCE_DATE_EPOCH": str(EPOCH),
        "LAYER": str(layer),
        "WORK": str(work),
        "PYTHON": sys.executable,
        "PYTHON_INCLUDE": sysconfig.get_path("include"),
        "PYTHON_PREFIX": sys.base_prefix,
        "PYTHONPATH": str(tools),
        "PYTHONHASHSEED": "0",
        "PYTHONUNBUFFERED": "1",  # meson's output appears at once
        "CC": "cc",
        "CXX": "c++",
        "CFLAGS": flags,
        "CXXFLAGS": flags,
        "LDFLAGS": "-s",
        "ZIG": str(tools / "ziglang" / "zig"),
        "ZIG_GLOBAL_CACHE_DIR": str(tools / "zig"),  # its run-time libraries, built once
        "ZIG_LOCAL_CACHE_DIR": str(work / "zig"),
        "PKG_CONFIG_LIBDIR": "/nonexistent",  # none of the machine's own libraries
        "GIT_CEILING_DIRECTORIES": str(work.parent),  # nor the repository around, if there is one
    }
