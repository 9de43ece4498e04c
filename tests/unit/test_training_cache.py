"""The cache of features: it keeps, it is bounded, and no broken file stops a training."""

from pathlib import Path

import pytest

from tools.model.training.cache import Cache, cache_file


def test_values_outlive_the_process_that_put_them(tmp_path: Path) -> None:
    file = tmp_path / "new" / "cache.sqlite"
    writer = Cache(file)
    writer.put(b"a", b"value")
    # Not closed: as after Ctrl-C.
    with Cache(file) as reader:
        assert reader.get(b"a") == b"value"
        assert reader.get(b"b") is None
    writer.close()


def test_the_oldest_goes_first(tmp_path: Path) -> None:
    file = tmp_path / "cache.sqlite"
    for number in range(4):
        with Cache(file) as cache:
            cache.put(bytes([number]), bytes(100))
    with Cache(file, limit_bytes=250) as cache:
        assert cache.get(bytes([0]))  # used now, so it stays
    with Cache(file) as cache:
        present = [number for number in range(4) if cache.get(bytes([number]))]
    assert present == [0, 3]


def test_a_broken_file_is_replaced(tmp_path: Path) -> None:
    file = tmp_path / "cache.sqlite"
    file.write_bytes(b"no database at all" * 100)
    with Cache(file) as cache:
        cache.put(b"a", b"value")
    with Cache(file) as cache:
        assert cache.get(b"a") == b"value"


def test_without_a_place_values_are_kept_in_memory(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with Cache(tmp_path / "file" / "cache.sqlite") as cache:
        cache.put(b"a", b"value")
        assert cache.get(b"a") == b"value"


def test_it_is_in_the_users_cache_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_file().is_relative_to(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", "")
    monkeypatch.setenv("HOME", "/home/somebody")
    assert cache_file().is_relative_to("/home/somebody/.cache")
