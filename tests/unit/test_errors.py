"""The error tree, and its drawing at the top of the module."""

import re
from collections.abc import Iterator

import pytest

from classifier import errors

CODES = {
    "invalid-request": 400,
    "url-not-allowed": 403,
    "not-found": 404,
    "image-too-large": 413,
    "unsupported-image-type": 415,
    "undecodable-image": 422,
    "internal-error": 500,
    "fetch-failed": 502,
    "model-unavailable": 503,
    "fetch-timeout": 504,
}


def descendants(kind: type) -> Iterator[type]:
    for child in kind.__subclasses__():
        yield child
        yield from descendants(child)


def test_codes_and_statuses_are_the_published_ones() -> None:
    found = {error.code: error.status for error in errors.RequestError.__subclasses__()}
    assert found == CODES


def test_the_drawing_shows_every_error_with_its_status_and_code() -> None:
    drawn = re.findall(r"[├└]── (\w+) +(?:(\d{3})  ([a-z-]+)|\S)", errors.__doc__ or "")
    wanted = {
        (
            error.__name__,
            str(getattr(error, "status", "")),
            getattr(error, "code", ""),
        )
        for error in descendants(errors.ClassifierError)
    }
    assert set(drawn) == wanted


@pytest.mark.parametrize("error", errors.RequestError.__subclasses__())
def test_every_request_error_has_a_title(error: type[errors.RequestError]) -> None:
    assert error.title
    assert not error.title.endswith(".")
