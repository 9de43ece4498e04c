"""A running API of this project: it classifies images, and says why it refuses one.

An image that is too large for a request goes through a route that only `make run` has. Like an
object in S3 it is held to the function's limits alone.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import requests

from classifier.errors import ImageTooLarge, InternalError, RequestError, describe
from tools.errors import ToolError
from tools.local.ports import LARGE_IMAGE_PATH

_TIMEOUT_S = 120
# Without an answer of its own, a status says only this much.
_NOT_FOUND, _TOO_LARGE, _UNAVAILABLE = 404, 413, 503

type Outcome = dict[str, Any]


class Api:
    """The API at ``url``; ``options`` go with every image."""

    def __init__(self, url: str, options: Mapping[str, Any]) -> None:
        self._url = url.rstrip("/")
        self._options = dict(options)
        self._session = requests.Session()
        self.model = self._read_model()

    def classify(self, contents: Sequence[dict[str, str]]) -> list[Outcome]:
        """The labels or the error of each image, in order.

        contents: ``{"image": base64}`` or ``{"url": address}``, as many as one request holds.

        Raises ToolError: the API cannot be reached, or has no model.
        """
        response = self._request("POST", "/predict", json={"images": contents} | self._options)
        if response.status_code == requests.codes.ok:
            return list(_object(response.content)["results"])
        if len(contents) > 1:  # One of them may be at fault.
            return [self.classify([content])[0] for content in contents]
        return [self._refusal(response.status_code, response.content)]

    def classify_large(self, data: bytes) -> Outcome:
        """The labels or the error of one image of any size. Raises ToolError, like `classify`."""
        # A query spells true and false as JSON does.
        query = {name: json.dumps(value) for name, value in self._options.items()}
        response = self._request("POST", LARGE_IMAGE_PATH, data=data, params=query)
        if response.status_code != requests.codes.ok:
            # A deployed API has no such path. It takes no larger request either.
            error = ImageTooLarge("It is too large for a request to this API. From S3 it is not.")
            if response.status_code in {requests.codes.forbidden, _NOT_FOUND, _TOO_LARGE}:
                return {"error": describe(error)}
            return self._refusal(response.status_code, response.content)
        answer = _object(response.content)
        if answer["statusCode"] != requests.codes.ok:
            return self._refusal(answer["statusCode"], answer["body"])
        body = _object(answer["body"])
        return {name: body[name] for name in ("labels", "embedding") if name in body}

    def _read_model(self) -> dict[str, str]:
        """The API's model, from /health. Raises ToolError: it is no API of this project."""
        response = self._request("GET", "/health")
        health = _object(response.content)
        model = health.get("model")
        if isinstance(model, dict) and {"name", "version"} <= model.keys():
            return model
        if health.get("code") == "model-unavailable":
            raise ToolError(f"{self._url} has no model: {health.get('detail')}")
        raise ToolError(
            f"{self._url} answers, but is not this project's API; name it with --url or PORT="
        )

    def _request(self, method: str, path: str, **body: Any) -> requests.Response:
        try:
            headers = {"content-type": "application/octet-stream"} if "data" in body else {}
            return self._session.request(
                method, self._url + path, headers=headers, timeout=_TIMEOUT_S, **body
            )
        except requests.Timeout as error:
            raise ToolError(f"{self._url} did not answer in {_TIMEOUT_S} s; try again") from error
        except requests.ConnectionError as error:
            raise ToolError(
                f"{self._url} cannot be reached; is `make run` running? (--url or PORT= name"
                " another address)"
            ) from error
        except requests.RequestException as error:
            raise ToolError(f"--url {self._url}: {error}") from error

    def _refusal(self, status: int, body: bytes | str) -> Outcome:
        """The error of one image. Raises ToolError: every other image would have the same."""
        problem = _object(body)
        if status == _UNAVAILABLE:
            detail = problem.get("detail") or problem.get("message")
            raise ToolError(f"{self._url} is not available: {detail}; start it anew, or wait")
        if "code" in problem:
            return {"error": {name: problem.get(name) for name in _MEMBERS} | {"status": status}}
        if status == _TOO_LARGE:
            return {"error": describe(ImageTooLarge("It is too large for a request."))}
        if status >= InternalError.status:
            return {"error": describe(InternalError(f"The API answered {status} without a cause."))}
        raise ToolError(f"{self._url} answered {status}: {problem.get('message', '')}")


_MEMBERS = tuple(describe(RequestError.__subclasses__()[0]()))


def _object(body: bytes | str) -> dict[str, Any]:
    """The JSON object ``body``; empty: it is none."""
    try:
        document = json.loads(body)
    except ValueError:
        return {}
    return document if isinstance(document, dict) else {}
