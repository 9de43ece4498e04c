"""A part of a vCPU: real cgroups where this user may make them, else the error."""

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from tools.bench import part_vcpu
from tools.bench.share import CGROUPS, PERIOD_US, can_share, limits, share

VERSION_1 = (CGROUPS / "cpu").is_dir()


def has_cgroups() -> bool:
    """Whether this user can limit a process, by other signs than ``can_share``'s."""
    if VERSION_1:
        return all(os.access(CGROUPS / name, os.W_OK) for name in ("cpu", "memory"))
    controllers = CGROUPS / "cgroup.subtree_control"
    if not os.access(controllers, os.W_OK) or not os.access(CGROUPS, os.W_OK):
        return False
    return {"cpu", "memory"} <= set(controllers.read_text().split())


BURN = """
import time
start = time.monotonic()
while time.process_time() < 0.4:
    pass
print(time.monotonic() - start)
"""


def cgroups() -> set[Path]:
    parents = (CGROUPS / "cpu", CGROUPS / "memory") if VERSION_1 else (CGROUPS,)
    return {path for parent in parents for path in parent.glob("bench-*")}


def run(command: Sequence[str], code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*command, sys.executable, "-S", "-c", code], capture_output=True, text=True, check=False
    )


def test_administrator_can_share() -> None:
    if has_cgroups():
        assert can_share()


def test_process_has_its_share_and_no_more() -> None:
    if not can_share():
        with pytest.raises(OSError, match=str(CGROUPS)), share(0.25, 256):
            pass
        return
    before = cgroups()
    with share(0.25, 256) as command:
        assert cgroups() > before
        seconds = float(run(command, BURN).stdout)
    assert cgroups() == before
    assert 1.4 < seconds < 6  # 0.4 s at a quarter of a processor, on a machine that does other work
    with share(1, 256) as command:
        assert float(run(command, BURN).stdout) < seconds


def test_process_that_takes_more_memory_than_its_share_is_killed() -> None:
    if not can_share():
        return
    with share(1, 64) as command:
        assert run(command, "print(len(bytearray(20 << 20)))").stdout.strip() == str(20 << 20)
        process = run(command, "print(len(bytearray(100 << 20)))")
    assert (process.returncode, process.stdout) == (-9, "")


def test_limits_of_both_versions(tmp_path: Path) -> None:
    version_1, version_2 = tmp_path / "1", tmp_path / "2"
    (version_1 / "cpu").mkdir(parents=True)
    version_2.mkdir()
    quota = PERIOD_US // 2
    assert limits(0.5, 512, version_1) == {
        version_1 / "cpu": {"cpu.cfs_period_us": PERIOD_US, "cpu.cfs_quota_us": quota},
        version_1 / "memory": {"memory.limit_in_bytes": 512 << 20},
    }
    assert limits(0.5, 512, version_2) == {
        version_2: {"cpu.max": f"{quota} {PERIOD_US}", "memory.max": 512 << 20}
    }
    assert (version_2 / "cgroup.subtree_control").read_text() == "+cpu +memory"


def test_without_cgroups_nothing_is_measured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert not can_share(tmp_path / "nothing")
    monkeypatch.setattr(part_vcpu, "can_share", lambda: False)
    assert part_vcpu.measure(tmp_path, {}, rounds=1, tick=lambda _: None) == {}
