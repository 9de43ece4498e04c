"""What malloc does with freed blocks: in a process of its own, with either setting."""

import subprocess
import sys
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[2] / "src"
MB = 1 << 20

SETTING = """
import ctypes, os, resource, sys
from pathlib import Path
from classifier.runtime.malloc import configure_malloc

libc = ctypes.CDLL(None)
libc.malloc.restype = ctypes.c_void_p
libc.malloc.argtypes, libc.free.argtypes = [ctypes.c_size_t], [ctypes.c_void_p]

if sys.argv[1] == "ours":
    configure_malloc()
"""

LARGE_BLOCK = """
def resident():
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")

size = 24 << 20
libc.free(libc.malloc(size))
before = resident()
block = libc.malloc(size)
ctypes.memset(block, 1, size)
fence = libc.malloc(64 << 10)  # what comes to lie between large blocks
libc.free(block)
print(resident() - before)
"""

# What a request does with its image and its tensor.
SMALL_BLOCKS = """
def touch():
    blocks = [libc.malloc(size) for size in (100 << 10, 100 << 10, 100 << 10, 100 << 10)]
    for block in blocks:
        ctypes.memset(block, 1, 100 << 10)
    for block in blocks:
        libc.free(block)

touch()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(10):
    touch()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def run(program: str, setting: str) -> int:
    command = [sys.executable, "-c", SETTING + program, setting]
    return int(subprocess.run(command, capture_output=True, check=True, cwd=SOURCE).stdout)


@pytest.mark.parametrize(
    ("setting", "least", "most"), [("ours", -MB, MB), ("glibc's", 20 * MB, 30 * MB)]
)
def test_a_freed_large_block_returns_to_the_system(setting: str, least: int, most: int) -> None:
    assert least < run(LARGE_BLOCK, setting) < most


@pytest.mark.parametrize(("setting", "least", "most"), [("ours", 0, 50), ("glibc's", 500, 5000)])
def test_freed_small_blocks_are_not_mapped_anew(setting: str, least: int, most: int) -> None:
    assert least <= run(SMALL_BLOCKS, setting) < most
