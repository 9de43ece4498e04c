"""The download of a file over HTTP: resumed where it breaks off, given up where it stalls."""

import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path

import requests
import urllib3

from tools.errors import ToolError

MAX_BYTES = 512 * 1024 * 1024
_RETRIES = 3
_CHUNK = 256 * 1024
# Below this rate, over the time that a server may be silent, it counts as silent.
_SLOWEST_BYTES_PER_S = 1024

# Called with the bytes that are here and, where the server says so, with how many there will be.
Report = Callable[[int, int | None], None]
# Called with what is fetched, before it is; returns what is called with its progress.
Start = Callable[[str], Report]


class _Interrupted(Exception):
    """The connection broke off in the middle of the file."""


@dataclass(frozen=True)
class Timeouts:
    """How long a server may take.

    connect_s: to be reached, seconds. silence_s: to send something more, seconds. attempts: how
    often pip asks an index that fails.
    """

    connect_s: float = 10.0
    silence_s: float = 30.0
    attempts: int = 3


class Download:
    """One download into the file ``part``, which an earlier run may have begun.

    pause_s: wait before the first resumption, seconds; it doubles.
    """

    def __init__(
        self,
        url: str,
        part: Path,
        report: Report,
        *,
        timeouts: Timeouts,
        pause_s: float = 1,
    ) -> None:
        self._url = url
        self._part = part
        self._report = report
        self._patience = timeouts
        self._pause_s = pause_s
        # Names this version of the file once a server has sent some of it.
        self._validator: str | None = None

    def run(self) -> bytes:
        """The whole file; its copy on the disk stays, and the caller removes it.

        Raises ToolError: the server cannot be reached, refuses, stalls or breaks off too often.
        OSError: the disk refuses.
        """
        failures = 0
        while True:
            before = self._here()
            try:
                self._exchange()
                return self._part.read_bytes()
            except _Interrupted as error:
                failures = 1 if self._here() > before else failures + 1
                if failures > _RETRIES:
                    raise ToolError(f"broke off after {self._here():,} bytes: {error}") from error
                time.sleep(self._pause_s * 2 ** (failures - 1))

    def _here(self) -> int:
        return self._part.stat().st_size if self._part.exists() else 0

    def _exchange(self) -> None:
        offset = self._here()
        headers = {"Accept-Encoding": "identity"}
        if offset:
            headers["Range"] = f"bytes={offset}-"
            if self._validator:
                headers["If-Range"] = self._validator
        try:
            with requests.get(
                self._url,
                headers=headers,
                stream=True,
                timeout=(self._patience.connect_s, self._patience.silence_s),
            ) as response:
                self._receive(response, offset)
        except (requests.RequestException, urllib3.exceptions.HTTPError) as error:
            # A server that never sent anything is not asked again: there are other sources.
            if self._validator is None and self._here() == offset:
                raise ToolError(reason(error)) from error
            raise _Interrupted(reason(error)) from error

    def _receive(self, response: requests.Response, offset: int) -> None:
        """Append the body to what is here, or replace it."""
        if response.status_code == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE and offset:
            # What is here is the whole file, or no part of the file that is there now.
            if response.headers.get("Content-Range") == f"bytes */{offset}":
                return
            self._part.unlink()
            raise _Interrupted("the part that an earlier run left does not fit")
        if response.status_code == HTTPStatus.PARTIAL_CONTENT:
            content_range = re.fullmatch(
                rf"bytes {offset}-\d+/(\d+)", response.headers.get("Content-Range", "")
            )
            if not content_range:
                raise ToolError("the server sent another part of the file than the one requested")
            total: int | None = int(content_range[1])
        elif response.status_code == HTTPStatus.OK:
            offset = 0
            length = response.headers.get("Content-Length", "")
            total = int(length) if length.isdigit() else None
        else:
            raise ToolError(f"HTTP status {response.status_code}")
        self._validator = response.headers.get("ETag") or response.headers.get("Last-Modified", "")
        if self._validator.startswith("W/"):
            self._validator = ""  # a weak one: equal files may differ in their bytes
        self._copy(response, offset, total)

    def _copy(self, response: requests.Response, offset: int, total: int | None) -> None:
        silence_s = self._patience.silence_s
        here = before = offset
        deadline = time.monotonic() + silence_s
        with self._part.open("ab" if offset else "wb") as file:
            while chunk := response.raw.read1(_CHUNK):
                file.write(chunk)
                here += len(chunk)
                self._report(here, total)
                if max(here, total or 0) > MAX_BYTES:
                    raise ToolError(f"larger than {MAX_BYTES:,} bytes")
                if time.monotonic() > deadline:
                    if here - before < _SLOWEST_BYTES_PER_S * silence_s:
                        raise ToolError("too slow")
                    before, deadline = here, time.monotonic() + silence_s
        if total is not None and here != total:
            raise _Interrupted(f"{total:,} were promised")


def reason(error: BaseException) -> str:
    """The first cause of a failed request, in a few words."""
    if isinstance(error, requests.ConnectTimeout):
        return "cannot be reached: no answer"
    if isinstance(error, (requests.ReadTimeout, urllib3.exceptions.ReadTimeoutError)):
        return "silent for too long"
    if isinstance(error, requests.exceptions.InvalidURL | requests.exceptions.InvalidSchema):
        return "not a URL"
    while error.__context__ is not None:
        error = error.__context__
    cause = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return f"cannot be reached: {cause or type(error).__name__}"
