"""An image is decoded in a process of its own, to the same tensor, and may end it."""

import sys
from pathlib import Path

import images
import numpy as np
import pytest

from classifier.errors import (
    ImageTooLarge,
    InternalError,
    UndecodableImage,
    UnsupportedImageType,
)
from classifier.image import isolated
from classifier.image.isolated import to_tensor_isolated
from classifier.image.preprocessing import Preprocessing
from classifier.image.tensor import Limits, to_tensor
from classifier.net.deadline import Deadline

LIMITS = Limits(10_000_000, 1_000_000, 2 << 30)
PREPROCESSING = Preprocessing(
    size=32, resize=40, fit="crop", color="BGR", scale=1 / 255, mean=(0.1, 0.2, 0.3)
)
JPEG = images.encode(images.photograph(120, 80), "JPEG")


def decode(data: bytes, limits: Limits = LIMITS, seconds: float = 30.0) -> object:
    return to_tensor_isolated(data, PREPROCESSING, limits, Deadline.after(seconds))


def test_the_tensor_is_the_same() -> None:
    np.testing.assert_array_equal(decode(JPEG), to_tensor(JPEG, PREPROCESSING, LIMITS))


@pytest.mark.parametrize(
    ("data", "limits", "error"),
    [
        (b"no image", LIMITS, UnsupportedImageType),
        (b"", LIMITS, UndecodableImage),
        (JPEG[: len(JPEG) // 2], LIMITS, UndecodableImage),
        (JPEG, Limits(10, 1_000_000), ImageTooLarge),
        (JPEG, Limits(10_000_000, 10), ImageTooLarge),
    ],
)
def test_the_errors_are_the_same(data: bytes, limits: Limits, error: type[Exception]) -> None:
    with pytest.raises(error) as here:
        to_tensor(data, PREPROCESSING, limits)
    with pytest.raises(error) as there:
        decode(data, limits)
    assert str(there.value) == str(here.value)


def interpreter(folder: Path, body: str) -> str:
    """A stand-in for Python that does what ``body`` says."""
    script = folder / "python"
    script.write_text(f"#!/bin/sh\n{body}\n")
    script.chmod(0o755)
    return str(script)


@pytest.mark.parametrize("body", ["kill -SEGV $$", "kill -KILL $$", "exit 1"])
def test_an_image_that_ends_the_process_is_one_error(
    body: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "executable", interpreter(tmp_path, body))
    with pytest.raises(InternalError, match="ended the process"):
        decode(JPEG)


def test_an_image_that_takes_too_long_is_one_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "executable", interpreter(tmp_path, "exec sleep 60"))
    monkeypatch.setattr(isolated, "_LONGEST_S", 0.2)
    with pytest.raises(InternalError, match="no time"):
        decode(JPEG)


def test_without_time_no_process_is_started(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/nothing")
    with pytest.raises(InternalError, match="no time"):
        decode(JPEG, seconds=0)
