"""The memory limit: what goes past it fails, and what comes after does not."""

import os
import resource
from pathlib import Path

import numpy as np
import pytest

from classifier.image.memory_limit import memory_limit

MB = 1024 * 1024


def resident() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def test_only_what_goes_past_the_limit_fails() -> None:
    before = resource.getrlimit(resource.RLIMIT_DATA)
    with memory_limit(resident() + 64 * MB + 200 * MB):
        assert np.ones(100 * MB, np.uint8).sum() == 100 * MB
        with pytest.raises(MemoryError):
            np.ones(300 * MB, np.uint8)
        assert np.ones(100 * MB, np.uint8).sum() == 100 * MB
    assert resource.getrlimit(resource.RLIMIT_DATA) == before
    assert np.ones(300 * MB, np.uint8).sum() == 300 * MB


def test_the_limit_is_lifted_after_an_error() -> None:
    before = resource.getrlimit(resource.RLIMIT_DATA)
    with pytest.raises(MemoryError), memory_limit(1):
        np.ones(300 * MB, np.uint8)
    assert resource.getrlimit(resource.RLIMIT_DATA) == before


def test_none_is_no_limit() -> None:
    with memory_limit(None):
        assert resource.getrlimit(resource.RLIMIT_DATA)[0] == resource.RLIM_INFINITY
