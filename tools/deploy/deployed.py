"""A request to what was deployed: the public URL, asked as a caller asks it."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import boto3
import requests
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest

from tools.deploy.model import TOLERANCE, Probe
from tools.errors import ToolError

# A new API, key or permission takes some seconds to be known everywhere.
_PATIENCE_S = 90.0
_PAUSE_S = 2.0
_TIMEOUT_S = 40.0
_NOT_YET = frozenset({403, 404, 429, 500, 502, 503, 504})

type Headers = Callable[[str, str, bytes, dict[str, str]], dict[str, str]]


@dataclass(frozen=True)
class Answer:
    """What the deployed API said of the known image.

    milliseconds: the whole request, as its caller waits for it.
    """

    model: str
    label: str
    probability: float
    milliseconds: float


def ask(
    url: str, image: bytes, expected: Probe, headers: Headers, patience_s: float = _PATIENCE_S
) -> Answer:
    """Ask ``url`` for its health, and to classify ``image``, a JPEG.

    headers: adds to a request's headers what proves who is calling.

    Raises ToolError: it does not answer, or not as ``expected``.
    """
    until = time.monotonic() + patience_s
    health = _request("GET", f"{url}/health", b"", headers, until)
    model = f"{health['model']['name']} {health['model']['version']}"
    started = time.monotonic()
    prediction = _request("POST", f"{url}/predict", image, headers, until)
    milliseconds = (time.monotonic() - started) * 1000
    # Among the first five, not the first: the two best may be all but equal.
    labels = {each["label"]: each["probability"] for each in prediction["labels"]}
    probability = labels.get(expected.label, 0.0)
    if abs(probability - expected.probability) > TOLERANCE:
        raise ToolError(
            f"{url} answers, but takes the known image for {labels}; here it is {expected.label!r}"
            f" with {expected.probability}. Roll back (docs/runbook.md)"
        )
    return Answer(model, expected.label, probability, milliseconds)


def caller(key: str, *, signs: bool) -> Headers:
    """What adds the key and the signature that a deployment asks for to a request's headers."""

    def add(method: str, url: str, body: bytes, headers: dict[str, str]) -> dict[str, str]:
        if key:
            headers = headers | {"x-api-key": key}
        if not signs:
            return headers
        session = boto3.Session()
        credentials = session.get_credentials()
        if credentials is None:
            raise ToolError("no AWS credentials to sign the request with")
        request = AWSRequest(method, url, headers, body)
        SigV4Auth(credentials, "execute-api", session.region_name).add_auth(request)
        return dict(request.headers.items())

    return add


def api_key(client: Any, key_id: str) -> str:
    """The value of an API key. client: a boto3 client of API Gateway."""
    return str(client.get_api_key(apiKey=key_id, includeValue=True)["value"])


def _request(
    method: str, url: str, body: bytes, headers: Headers, until: float
) -> Mapping[str, Any]:
    """The JSON that ``url`` answers with. Raises ToolError: until ``until`` it has not."""
    while True:
        problem = ""
        try:
            own = {"content-type": "image/jpeg"} if body else {}
            answer = requests.request(
                method, url, data=body, headers=headers(method, url, body, own), timeout=_TIMEOUT_S
            )
            if answer.ok:
                content: Mapping[str, Any] = answer.json()
                return content
            problem = f"{answer.status_code} {answer.text[:300]}"
        except requests.RequestException as error:
            problem = str(error)
        else:
            if answer.status_code not in _NOT_YET:
                until = 0.0
        if time.monotonic() > until:
            raise ToolError(f"deployed, but {method} {url} does not answer: {problem}")
        time.sleep(_PAUSE_S)
