"""OpenCV, set up before it is loaded."""

import os

# Read by OpenCV when it is loaded; a second fence behind our own, for headers that lie.
os.environ.setdefault("OPENCV_IO_MAX_IMAGE_PIXELS", str(1 << 28))

import cv2

__all__ = ["cv2", "is_out_of_memory"]


def is_out_of_memory(error: cv2.error) -> bool:
    """Whether ``error`` says that an allocation failed: OpenCV raises no MemoryError."""
    return bool(error.code == cv2.Error.StsNoMem)
