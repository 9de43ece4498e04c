"""What the base network makes of images, kept between runs in the user's cache folder."""

import os
import sqlite3
import threading
import time
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

# 20,000 images with EfficientNet-Lite0. What was used longest ago goes first.
LIMIT_BYTES = 512 * 1024 * 1024

_SCHEMA = """
CREATE TABLE IF NOT EXISTS entries (key BLOB PRIMARY KEY, value BLOB NOT NULL, used REAL NOT NULL)
"""


def cache_file() -> Path:
    """Where it is: below XDG_CACHE_HOME, by default ~/.cache."""
    home = os.environ.get("XDG_CACHE_HOME")
    folder = Path(home) if home else Path.home() / ".cache"
    return folder / "lambda-mxnet-classifier" / "features.sqlite"


class Cache:
    """Values by key, in a SQLite file. Each value is there as soon as ``put`` returns.

    Threads and processes may share the file. One that is broken is made anew. Where there can be
    none, the values are kept in memory until ``close``.
    """

    def __init__(self, file: Path, limit_bytes: int = LIMIT_BYTES) -> None:
        self._lock = threading.Lock()
        self._limit = limit_bytes
        self._used: list[bytes] = []
        self._database = _open(file)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        _type: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        self.close()

    def get(self, key: bytes) -> bytes | None:
        """The value of ``key``; None where there is none."""
        with self._lock:
            row = self._database.execute(
                "SELECT value FROM entries WHERE key = ?", (key,)
            ).fetchone()
            if row is None:
                return None
            self._used.append(key)
            value: bytes = row[0]
            return value

    def put(self, key: bytes, value: bytes) -> None:
        """Keep ``value``. A full disk is no error: the next run computes it again."""
        with self._lock, suppress(sqlite3.Error):
            self._database.execute(
                "INSERT OR REPLACE INTO entries VALUES (?, ?, ?)", (key, value, time.time())
            )

    def close(self) -> None:
        """Remove what is over the limit, and close the file."""
        with self._lock, suppress(sqlite3.Error):
            now = time.time()
            self._database.execute("BEGIN")
            self._database.executemany(
                "UPDATE entries SET used = ? WHERE key = ?", [(now, key) for key in self._used]
            )
            self._database.execute(
                "DELETE FROM entries WHERE key IN (SELECT key FROM (SELECT key,"
                " SUM(LENGTH(value)) OVER (ORDER BY used DESC, key) AS total FROM entries)"
                " WHERE total > ?)",
                (self._limit,),
            )
            self._database.execute("COMMIT")
        self._database.close()


def _open(file: Path) -> sqlite3.Connection:
    """The database in ``file``, or one in memory where that cannot be."""
    for _ in range(2):
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            return _connect(str(file))
        except (OSError, sqlite3.OperationalError):  # not writable, or locked for long
            break
        except sqlite3.DatabaseError:  # no database
            file.unlink()
    return _connect(":memory:")


def _connect(place: str) -> sqlite3.Connection:
    # Autocommit: what was put survives Ctrl-C.
    connection = sqlite3.connect(place, isolation_level=None, check_same_thread=False)
    try:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = OFF")
        connection.execute(_SCHEMA)
    except sqlite3.Error:
        connection.close()
        raise
    return connection
