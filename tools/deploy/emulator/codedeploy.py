"""Stands in for CodeDeploy where a pre-traffic hook reports to it."""

import json
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any, Self

from tools.local.ports import HOST


class CodeDeploy:
    """As a context it listens from its beginning to its end.

    reports: what hooks have said, in order: ``deploymentId``, ``status`` and more.
    """

    def __init__(self) -> None:
        self.reports: list[dict[str, Any]] = []
        reports = self.reports

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                report = json.loads(self.rfile.read(int(self.headers["content-length"])))
                reports.append(report)
                execution = report.get("lifecycleEventHookExecutionId")
                body = json.dumps({"lifecycleEventHookExecutionId": execution}).encode()
                self.send_response(200)
                self.send_header("content-type", "application/x-amz-json-1.1")
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *arguments: Any) -> None:  # noqa: A002
                """Requests are in ``reports``."""

        self._server = ThreadingHTTPServer((HOST, 0), Handler)

    @property
    def url(self) -> str:
        """Its address."""
        return f"http://{HOST}:{self._server.server_port}"

    def __enter__(self) -> Self:
        Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
