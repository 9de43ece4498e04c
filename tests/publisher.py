"""A publisher of files, played by a server on this machine that can misbehave."""

import hashlib
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class Site:
    """A server's files, and how it misbehaves.

    cuts: after how many bytes the next answers break off. resumes: whether it knows Range.
    types: media types by path. silent: paths that are never answered. drips: paths that come a byte
    at a time.
    """

    files: dict[str, bytes] = field(default_factory=dict)
    statuses: dict[str, int] = field(default_factory=dict)
    cuts: list[int] = field(default_factory=list)
    resumes: bool = True
    types: dict[str, str] = field(default_factory=dict)
    silent: set[str] = field(default_factory=set)
    drips: set[str] = field(default_factory=set)
    requests: list[tuple[str, str | None]] = field(default_factory=list)
    over: threading.Event = field(default_factory=threading.Event)
    url: str = ""


class Handler(BaseHTTPRequestHandler):
    site: Site

    def do_HEAD(self) -> None:
        self.send_response(200 if self.path in self.site.files else 404)
        self.end_headers()

    def do_GET(self) -> None:
        site, content_range = self.site, self.headers["Range"]
        site.requests.append((self.path, content_range))
        if self.path in site.silent:
            site.over.wait(20)
            return
        status = site.statuses.get(self.path, 200 if self.path in site.files else 404)
        if status != 200:
            self.send_error(status)
            return
        content = site.files[self.path]
        start = 0
        if content_range:
            start = int(content_range.removeprefix("bytes=").removesuffix("-"))
        etag = f'"{hashlib.sha256(content).hexdigest()}"'
        if not site.resumes or self.headers.get("If-Range", etag) != etag:
            start = 0
        if start >= len(content):
            self.send_response(416)
            self.send_header("Content-Range", f"bytes */{len(content)}")
            self.end_headers()
            return
        self.send_response(206 if start else 200)
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        self.send_header("Content-Length", str(len(content) - start))
        self.send_header("Content-Type", site.types.get(self.path, "application/octet-stream"))
        self.send_header("ETag", etag)
        self.end_headers()
        if self.path in site.drips:
            for byte in content:
                if site.over.wait(0.05):
                    return
                self.wfile.write(bytes([byte]))
        self.wfile.write(content[start:][: site.cuts.pop(0) if site.cuts else None])

    def log_message(self, *_: object) -> None:
        """Print nothing: ``requests`` has them."""


@contextmanager
def serving() -> Iterator[Site]:
    """A server on a free port of this machine."""
    site = Site()
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("SiteHandler", (Handler,), {"site": site}))
    site.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield site
    site.over.set()
    server.shutdown()
    thread.join()
    server.server_close()
