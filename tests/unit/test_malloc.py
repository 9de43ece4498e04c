"""What malloc does with large blocks: in a process of its own, with either setting."""

import subprocess
import sys
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[2] / "src"
MB = 1 << 20

PROGRAM = """
import ctypes, os, sys
from pathlib import Path
from classifier.runtime.malloc import return_large_blocks

libc = ctypes.CDLL(None)
libc.malloc.restype = ctypes.c_void_p
libc.malloc.argtypes, libc.free.argtypes = [ctypes.c_size_t], [ctypes.c_void_p]

def resident():
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")

if sys.argv[1] == "ours":
    return_large_blocks()
size = 24 << 20
libc.free(libc.malloc(size))
before = resident()
block = libc.malloc(size)
ctypes.memset(block, 1, size)
fence = libc.malloc(64 << 10)  # what comes to lie between large blocks
libc.free(block)
print(resident() - before)
"""


@pytest.mark.parametrize(
    ("setting", "least", "most"), [("ours", -MB, MB), ("glibc's", 20 * MB, 30 * MB)]
)
def test_a_freed_large_block_returns_to_the_system(setting: str, least: int, most: int) -> None:
    command = [sys.executable, "-c", PROGRAM, setting]
    kept = int(subprocess.run(command, capture_output=True, check=True, cwd=SOURCE).stdout)
    assert least < kept < most
