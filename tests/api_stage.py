"""A stage of API Gateway for the tests: the local stack below a prefix, and it can be stopped."""

import contextlib
import http.client
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

PREFIX = "/Prod"


class Stage:
    """A stage of API Gateway: it serves ``upstream`` below a prefix.

    After ``stop``, ``start`` serves at the same address again.
    """

    def __init__(self, upstream: str) -> None:
        self._upstream = upstream.removeprefix("http://")
        self._port = 0
        self._server: ThreadingHTTPServer | None = None

    @property
    def origin(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    @property
    def url(self) -> str:
        """The front page's address."""
        return f"{self.origin}{PREFIX}/"

    def start(self) -> None:
        handler = type("Handler", (_Handler,), {"upstream": self._upstream})
        self._server = ThreadingHTTPServer(("127.0.0.1", self._port), handler)
        self._port = self._server.server_port
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def stop(self) -> None:
        if self._server:
            self._server.shutdown()
            self._server.server_close()
            self._server = None


class _Handler(BaseHTTPRequestHandler):
    upstream: str

    def _forward(self) -> None:
        if not self.path.startswith(PREFIX):
            self._answer(403, [], b'{"message":"Missing Authentication Token"}')
            return
        body = self.rfile.read(int(self.headers.get("content-length") or 0))
        path = "/" + self.path.removeprefix(PREFIX).removeprefix("/")
        connection = http.client.HTTPConnection(self.upstream, timeout=60)
        try:
            connection.request(self.command, path, body, dict(self.headers))
            response = connection.getresponse()
            self._answer(response.status, response.getheaders(), response.read())
        finally:
            connection.close()

    def _answer(self, status: int, headers: list[tuple[str, str]], body: bytes) -> None:
        self.send_response_only(status)
        for name, value in headers:
            if name.lower() not in ("content-length", "connection", "transfer-encoding"):
                self.send_header(name, value)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        with contextlib.suppress(ConnectionError):  # The page was closed.
            self.wfile.write(body)

    do_GET = do_POST = do_OPTIONS = _forward  # noqa: N815  (http.server's names)

    def log_message(self, *_: Any) -> None:
        """Nothing is logged."""
