"""OpenCV, set up before it is loaded."""

import os

# Read by OpenCV when it is loaded; a second fence behind our own, for headers that lie.
os.environ.setdefault("OPENCV_IO_MAX_IMAGE_PIXELS", str(1 << 28))

import cv2

__all__ = ["cv2"]
