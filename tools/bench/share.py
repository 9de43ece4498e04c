"""A part of a vCPU for a process, as a small Lambda function has: a cgroup's CPU quota."""

import shlex
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

CGROUPS = Path("/sys/fs/cgroup")
# The quota is given out this often. Lambda's period is not published. The mean time of a request
# does not depend on it, its median does: with 512 MB (0.29 vCPU) a request of 8 ms takes 28 ms on
# average; one by one 8 or 66 to 81 ms with the kernel's default of 100 ms (median 8), 22 or 36 ms
# with 20 ms (median 23), 26 to 29 ms with 5 ms (median 29).
PERIOD_US = 5000
# The kernel takes a cgroup for busy for a moment after its last process has ended.
_REMOVAL_S = 2.0


def can_share(root: Path = CGROUPS) -> bool:
    """Whether this user may limit a process; mostly the administrator alone."""
    try:
        with share(0.5, 64, root):
            return True
    except OSError:
        return False


@contextmanager
def share(vcpus: float, memory_mb: int, root: Path = CGROUPS) -> Iterator[Sequence[str]]:
    """Limits for one process: ``vcpus`` of a processor, ``memory_mb`` MiB.

    Yields the beginning of a command line that runs the rest of it within them, from its start. The
    process must have ended at the end. root: where cgroups are mounted. Raises OSError: this user
    may not (see ``can_share``).
    """
    with ExitStack() as stack:
        files = limits(vcpus, memory_mb, root)
        folders = [_cgroup(stack, parent, each) for parent, each in files.items()]
        yield _command(folders)


def limits(vcpus: float, memory_mb: int, root: Path) -> Mapping[Path, Mapping[str, int | str]]:
    """The files of a cgroup with their values, by the folder that the cgroup belongs in.

    Version 2 has to be asked for its controllers. Raises OSError: this user may not have them.
    """
    quota, memory = round(vcpus * PERIOD_US), memory_mb << 20
    if (root / "cpu").is_dir():  # version 1: each controller is a tree of its own
        cpu: dict[str, int | str] = {"cpu.cfs_period_us": PERIOD_US, "cpu.cfs_quota_us": quota}
        return {root / "cpu": cpu, root / "memory": {"memory.limit_in_bytes": memory}}
    (root / "cgroup.subtree_control").write_text("+cpu +memory")
    return {root: {"cpu.max": f"{quota} {PERIOD_US}", "memory.max": memory}}


def _cgroup(stack: ExitStack, parent: Path, files: Mapping[str, int | str]) -> Path:
    """Make a cgroup below ``parent`` that is removed with ``stack``. Raises OSError."""
    folder = Path(tempfile.mkdtemp(prefix="bench-", dir=parent))
    stack.callback(_remove, folder)
    for name, value in files.items():
        (folder / name).write_text(str(value))
    return folder


def _command(folders: Sequence[Path]) -> Sequence[str]:
    """Runs what follows it in the cgroups ``folders``: a shell enters them, then becomes it."""
    enter = "; ".join(f"echo $$ > {shlex.quote(f'{folder}/cgroup.procs')}" for folder in folders)
    return ("sh", "-ec", f'{enter}; exec "$@"', "sh")


def _remove(folder: Path) -> None:
    """Remove a cgroup. Raises OSError: a process is in it."""
    until = time.monotonic() + _REMOVAL_S
    while True:
        try:
            folder.rmdir()
        except OSError:
            if time.monotonic() > until:
                raise
            time.sleep(0.01)
        else:
            return
