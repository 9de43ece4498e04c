"""The tool's client of a running API: what it takes for an API of this project, and refusals."""

import json
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import pytest

from tools.batch.api import Api
from tools.errors import ToolError

HEALTH = {"status": "ok", "model": {"name": "colors", "version": "1"}}
OK, REFUSED = {"image": "good"}, {"image": "bad"}
Answer = tuple[int, Any]


@pytest.fixture
def serve() -> Any:
    """Serves answers: of /health, and of the body of each other request."""
    servers = []

    def start(health: Answer, answer: Callable[[bytes], Answer]) -> str:
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.reply(*health)

            def do_POST(self) -> None:
                self.reply(*answer(self.rfile.read(int(self.headers["content-length"]))))

            def reply(self, status: int, body: Any) -> None:
                data = body.encode() if isinstance(body, str) else json.dumps(body).encode()
                self.send_response(status)
                self.send_header("content-length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, *_: Any) -> None:
                pass

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        Thread(target=server.serve_forever, daemon=True).start()
        servers.append(server)
        return f"http://127.0.0.1:{server.server_port}"

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


@pytest.mark.parametrize("health", [(200, "<html>"), (200, {"status": "ok"}), (404, []), (200, 3)])
def test_stranger_is_refused(health: Answer, serve: Any) -> None:
    url = serve(health, lambda _: (200, {}))
    with pytest.raises(ToolError, match=rf"{url} answers, but is not this project's API"):
        Api(url, {})


def test_api_without_a_model_says_why(serve: Any) -> None:
    problem = {"code": "model-unavailable", "detail": "no manifest"}
    with pytest.raises(ToolError, match="has no model: no manifest"):
        Api(serve((503, problem), lambda _: (200, {})), {})


def answer_each(body: bytes) -> Answer:
    """A request with the image "bad" is refused as a whole."""
    images = json.loads(body)["images"]
    if REFUSED in images:
        return 413, {"message": "Request Too Long"}
    return 200, {"results": [{"labels": []} for _ in images]}


def test_refused_request_is_one_error_and_the_others_are_classified(serve: Any) -> None:
    api = Api(serve((200, HEALTH), answer_each), {})
    first, second, third = api.classify([OK, REFUSED, OK])
    assert first == third == {"labels": []}
    assert (second["error"]["code"], second["error"]["status"]) == ("image-too-large", 413)


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        ((502, {"message": "Internal server error"}), "internal-error"),
        ((504, {"code": "fetch-timeout", "detail": "too long"}), "fetch-timeout"),
        ((422, {"code": "undecodable-image"}), "undecodable-image"),
    ],
)
def test_answer_is_the_image_s_error(answer: Answer, code: str, serve: Any) -> None:
    (outcome,) = Api(serve((200, HEALTH), lambda _: answer), {}).classify([OK])
    assert (outcome["error"]["code"], outcome["error"]["status"])[0] == code


@pytest.mark.parametrize("status", [401, 429, 503])
def test_answer_that_every_image_would_get_ends_the_run(status: int, serve: Any) -> None:
    api = Api(serve((200, HEALTH), lambda _: (status, {"message": "no"})), {})
    with pytest.raises(ToolError, match="no"):
        api.classify([OK])


@pytest.mark.parametrize("status", [403, 404, 413])
def test_large_image_is_an_error_where_only_requests_are_taken(status: int, serve: Any) -> None:
    api = Api(serve((200, HEALTH), lambda _: (status, "no such route")), {})
    assert api.classify_large(b"image")["error"]["code"] == "image-too-large"
