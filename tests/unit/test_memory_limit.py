"""The memory limit: what goes past it fails, and what comes after does not."""

import os
import resource
from concurrent.futures import ThreadPoolExecutor
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


def test_threads_share_the_limit_until_the_last_one_has_left() -> None:
    before = resource.getrlimit(resource.RLIMIT_DATA)
    first, second = memory_limit(resident() + 264 * MB), memory_limit(resident() + 900 * MB)
    with ThreadPoolExecutor(1) as pool:
        pool.submit(first.__enter__).result()
        limit = resource.getrlimit(resource.RLIMIT_DATA)
        assert limit != before
        with second:
            assert resource.getrlimit(resource.RLIMIT_DATA) == limit
            pool.submit(first.__exit__, None, None, None).result()
            assert resource.getrlimit(resource.RLIMIT_DATA) == limit
        assert resource.getrlimit(resource.RLIMIT_DATA) == before


def test_none_is_no_limit() -> None:
    with memory_limit(None):
        assert resource.getrlimit(resource.RLIMIT_DATA)[0] == resource.RLIM_INFINITY
