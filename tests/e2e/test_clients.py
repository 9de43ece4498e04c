"""Real clients of many kinds send images, and get their labels."""

import functools
import http.server
import json
import os
import shutil
import subprocess
import textwrap
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import golden_events
import pytest
import requests
from huggingface_hub import InferenceClient
from huggingface_hub.errors import HfHubHTTPError
from playwright.sync_api import Browser, sync_playwright

CHROMIUM = os.environ.get("CLASSIFIER_TEST_BROWSER")
FLAGS = ["--no-sandbox", "--no-first-run", "--disable-background-networking", "--disable-sync"]


@pytest.fixture
def green(tmp_path: Path) -> Path:
    path = tmp_path / "green.jpg"
    path.write_bytes(golden_events.IMAGES["green.jpg"])
    return path


def run(*command: str | Path) -> Any:
    """The JSON that a command prints."""
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    return json.loads(done.stdout)


def first(body: dict[str, Any]) -> str:
    return str(body["labels"][0]["label"])


def test_curl_form(local_stack: str, green: Path) -> None:
    body = run("curl", "-sS", "-F", f"file=@{green}", "-F", "top_k=1", f"{local_stack}/predict")
    assert first(body) == "green"
    assert len(body["labels"]) == 1


def test_curl_form_with_two_files(local_stack: str, green: Path) -> None:
    files = ["-F", f"a=@{green}", "-F", f"b=@{green}"]
    body = run("curl", "-sS", *files, f"{local_stack}/predict?top_k=1")
    assert [first(result) for result in body["results"]] == ["green", "green"]


@pytest.mark.parametrize(
    "content_type", ["image/jpg", "image/pjpeg", "image/png", "application/octet-stream"]
)
def test_curl_with_bytes_of_any_type(local_stack: str, green: Path, content_type: str) -> None:
    header = f"content-type: {content_type}"
    body = run("curl", "-sS", "-H", header, "--data-binary", f"@{green}", f"{local_stack}/predict")
    assert first(body) == "green"


def test_curl_without_a_content_type_is_told_which_header_to_send(
    local_stack: str, green: Path
) -> None:
    for header in ([], ["-H", "content-type:"], ["-H", "content-type: text/plain"]):
        body = run("curl", "-sS", *header, "--data-binary", f"@{green}", f"{local_stack}/predict")
        assert body["status"] == 415
        assert "content-type: image/jpeg" in body["detail"]


@pytest.mark.skipif(not shutil.which("wget"), reason="there is no wget")
def test_wget(local_stack: str, green: Path) -> None:
    header = "--header=content-type: image/jpeg"
    body = run("wget", "-qO-", header, f"--post-file={green}", f"{local_stack}/predict")
    assert first(body) == "green"


def test_requests_with_files(local_stack: str, green: Path) -> None:
    url = f"{local_stack}/predict"
    files = {"upload": green.read_bytes()}
    assert first(requests.post(url, files=files, timeout=60).json()) == "green"
    with green.open("rb") as file:
        answer = requests.post(url, files={"f": file}, data={"top_k": "2"}, timeout=60).json()
    assert len(answer["labels"]) == 2


def test_the_form_that_powershell_writes(local_stack: str, green: Path) -> None:
    """Invoke-WebRequest -Form quotes its boundary and writes no content type for a field."""
    boundary = "d4a7c2f0-1a0e-4d57-a1b5-0fd7f5d8c3d1"
    body = (
        f"--{boundary}\r\nContent-Type: application/octet-stream\r\n"
        f"Content-Disposition: form-data; name=file; filename=green.jpg; "
        f"filename*=utf-8''green.jpg\r\n\r\n"
    ).encode()
    body += green.read_bytes() + f"\r\n--{boundary}--\r\n".encode()
    headers = {"content-type": f'multipart/form-data; boundary="{boundary}"'}
    answer = requests.post(f"{local_stack}/predict", data=body, headers=headers, timeout=60)
    assert first(answer.json()) == "green"


@pytest.mark.parametrize("path", ["/", "/health"])
def test_head(local_stack: str, path: str) -> None:
    answer = requests.head(f"{local_stack}{path}", timeout=60)
    assert (answer.status_code, answer.content) == (200, b"")
    assert answer.headers["access-control-allow-origin"] == "*"


@pytest.mark.parametrize("top_k", [None, 2])
def test_hugging_face(local_stack: str, green: Path, top_k: int | None) -> None:
    client = InferenceClient(model=f"{local_stack}/huggingface")
    for image in (green, str(green)):
        labels = client.image_classification(image, top_k=top_k)
        assert labels[0].label == "green"
        assert labels[0].score > 0.9
        assert len(labels) == (top_k or 3)


def test_hugging_face_with_bytes_needs_a_content_type(local_stack: str, green: Path) -> None:
    """The client sends bytes without one, and API Gateway takes such a body for text."""
    url = f"{local_stack}/huggingface"
    client = InferenceClient(model=url, headers={"content-type": "image/jpeg"})
    assert client.image_classification(green.read_bytes())[0].label == "green"
    with pytest.raises(HfHubHTTPError) as caught:
        InferenceClient(model=url).image_classification(green.read_bytes())
    assert "content-type: image/jpeg" in caught.value.response.json()["detail"]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    if not CHROMIUM:
        pytest.skip("CLASSIFIER_TEST_BROWSER names no browser")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


FETCH = """async (bytes) => {{
    const blob = new Blob([new Uint8Array(bytes)], {{type: "{type}"}});
    {body}
    const answer = await fetch("/predict", {{method: "POST", body}});
    return (await answer.json()).labels[0].label;
}}"""


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        ("image/jpeg", "const body = blob;"),
        ("image/jpeg", "const body = new FormData(); body.append('file', blob);"),
        ("", "const body = new FormData(); body.append('file', blob, 'a');"),
    ],
)
def test_fetch_in_a_browser(
    browser: Browser, local_stack: str, green: Path, content_type: str, body: str
) -> None:
    page = browser.new_page()
    page.goto(local_stack)
    script = FETCH.format(type=content_type, body=body)
    assert page.evaluate(script, list(green.read_bytes())) == "green"
    page.close()


def test_the_page_without_javascript(browser: Browser, local_stack: str, green: Path) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(local_stack)
    page.set_input_files("noscript input[type=file]", green)
    page.click("noscript button")
    page.wait_for_url("**/predict")
    assert '"label": "green"' in page.content()
    context.close()


def test_an_html_form_of_another_origin(browser: Browser, local_stack: str, green: Path) -> None:
    page = browser.new_page()
    page.set_content(
        textwrap.dedent(f"""
        <form action="{local_stack}/predict?top_k=1" method="post" enctype="multipart/form-data">
        <input type="file" name="f"><input type="file" name="unused"><button>go</button></form>
        """)
    )
    page.set_input_files("input[name=f]", green)
    page.click("button")
    page.wait_for_url("**/predict**")
    assert '"label": "green"' in page.content()
    page.close()


HUGGINGFACE_JS = os.environ.get("CLASSIFIER_TEST_HUGGINGFACE_JS")
MODULES = """<script type="importmap">{"imports": {
    "@huggingface/inference": "/@huggingface/inference/dist/esm/index.js",
    "@huggingface/jinja": "/@huggingface/jinja/dist/index.js",
    "@huggingface/tasks": "/@huggingface/tasks/dist/esm/index.js"}}</script>
<script type="module">
    import {InferenceClient} from "@huggingface/inference";
    window.InferenceClient = InferenceClient;
</script>"""
CLASSIFY = """async ([bytes, url]) => {
    const client = new window.InferenceClient().endpoint(url);
    const blob = new Blob([new Uint8Array(bytes)], {type: "image/jpeg"});
    return await client.imageClassification({inputs: blob});
}"""


@pytest.mark.skipif(not HUGGINGFACE_JS, reason="CLASSIFIER_TEST_HUGGINGFACE_JS names no folder")
def test_hugging_face_in_a_browser(
    browser: Browser, local_stack: str, green: Path, tmp_path: Path
) -> None:
    """The folder is the node_modules that `npm install @huggingface/inference` makes."""
    folder = tmp_path / "site"
    folder.mkdir()
    (folder / "index.html").write_text(MODULES)
    (folder / "@huggingface").symlink_to(Path(str(HUGGINGFACE_JS)) / "@huggingface")
    handler = functools.partial(QuietHandler, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        page = browser.new_page()
        page.goto(f"http://127.0.0.1:{server.server_port}/index.html")
        page.wait_for_function("!!window.InferenceClient")
        labels = page.evaluate(CLASSIFY, [list(green.read_bytes()), f"{local_stack}/huggingface"])
        page.close()
        server.shutdown()
    assert labels[0]["label"] == "green"
    assert labels[0]["score"] > 0.9


class QuietHandler(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        """Write no log."""
