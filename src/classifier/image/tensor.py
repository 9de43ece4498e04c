"""An image's bytes become the network's input: decode, turn upright, resize, normalise."""

import os
from dataclasses import dataclass
from math import ceil

import numpy as np
import numpy.typing as npt

from classifier.errors import ImageTooLarge, UndecodableImage
from classifier.image.header import Header, sniff, without_ancillary_chunks
from classifier.image.memory_limit import memory_limit
from classifier.image.preprocessing import Preprocessing

# Read by OpenCV when it is loaded; a second fence behind our own, for headers that lie.
os.environ.setdefault("OPENCV_IO_MAX_IMAGE_PIXELS", str(1 << 28))

import cv2

Pixels = npt.NDArray[np.uint8]
Tensor = npt.NDArray[np.float32]

_REDUCED = {
    8: cv2.IMREAD_REDUCED_COLOR_8,
    4: cv2.IMREAD_REDUCED_COLOR_4,
    2: cv2.IMREAD_REDUCED_COLOR_2,
    1: cv2.IMREAD_COLOR,
}


@dataclass(frozen=True)
class Limits:
    """What an image may cost.

    bytes: size of the file. pixels: width times height. memory: what this process may have while
    an image is decoded, bytes; None: no fuse.
    """

    bytes: int
    pixels: int
    memory: int | None = None


def use_threads(count: int) -> None:
    """Let OpenCV use ``count`` threads: by itself it takes the machine's cores, not our share."""
    cv2.setNumThreads(count)


def to_tensor(data: bytes, preprocessing: Preprocessing, limits: Limits) -> Tensor:
    """The network's input for the image in ``data``: (3, size, size), float32.

    Orientation from EXIF is honoured, transparency is dropped, and grey, palette, 16-bit and
    CMYK images become colour.

    Raises ImageTooLarge, UnsupportedImageType, UndecodableImage.
    """
    if len(data) > limits.bytes:
        raise ImageTooLarge(f"The image has {len(data)} bytes; at most {limits.bytes} are taken.")
    header = sniff(data)
    if header.width * header.height > limits.pixels:
        raise ImageTooLarge(
            f"The image has {header.width} x {header.height} pixels; "
            f"at most {limits.pixels} are taken."
        )
    try:
        with memory_limit(limits.memory):
            return normalise(fit(decode(data, header, preprocessing), preprocessing), preprocessing)
    except MemoryError as error:
        raise ImageTooLarge("The image needs more memory than there is.") from error


def decode(data: bytes, header: Header, preprocessing: Preprocessing) -> Pixels:
    """The pixels of ``data``, (height, width, 3), BGR, at least as large as ``preprocessing`` needs.

    A JPEG is decoded at the largest reduction that still suffices: an eighth of each side costs
    a fraction of the time, and area averaging of what is left is closer to an antialiased
    resize than area averaging of the whole.

    Raises UndecodableImage.
    """
    flag = cv2.IMREAD_COLOR
    if header.type == "jpeg":
        short = min(header.width, header.height)
        flag = next(
            flag for n, flag in _REDUCED.items() if n == 1 or short >= n * preprocessing.resize
        )
    elif header.type == "png":
        data = without_ancillary_chunks(data)
    try:
        pixels = cv2.imdecode(np.frombuffer(data, np.uint8), flag)
    except cv2.error as error:
        raise UndecodableImage("The image cannot be decoded.") from error
    if pixels is None:
        raise UndecodableImage("The image cannot be decoded.")
    return _upright(pixels, header.orientation)  # type: ignore[arg-type]


def fit(pixels: Pixels, preprocessing: Preprocessing) -> Pixels:
    """``pixels`` (height, width, 3) resized and cut to (size, size, 3), as ``preprocessing`` says."""
    size = preprocessing.size
    if preprocessing.fit == "squash":
        return _resize(pixels, size / pixels.shape[1], size / pixels.shape[0])
    # A strip would grow without bound when its short side does; only its middle matters.
    short = min(pixels.shape[:2])
    pixels = _centre(pixels, min(pixels.shape[1], 4 * short), min(pixels.shape[0], 4 * short))
    height, width = pixels.shape[:2]
    fitted_width, fitted_height = (
        width * preprocessing.resize // short,
        height * preprocessing.resize // short,
    )
    x, y = fitted_width / width, fitted_height / height
    left, top = (fitted_width - size) // 2, (fitted_height - size) // 2
    # What lies to the right of the cut and below it need not be resized: of 4 to 3, a fifth of the
    # work. (Two pixels more, for those that one at the edge is made of.)
    pixels = pixels[: ceil((top + size) / y) + 2, : ceil((left + size) / x) + 2]
    return _resize(pixels, x, y)[top : top + size, left : left + size]


def normalise(pixels: Pixels, preprocessing: Preprocessing) -> Tensor:
    """(size, size, 3) BGR, 0..255, becomes (3, size, size) float32 in the order of ``color``."""
    planes = pixels.transpose(2, 0, 1)
    if preprocessing.color == "RGB":
        planes = planes[::-1]
    std = np.array(preprocessing.std, np.float32)[:, None, None]
    mean = np.array(preprocessing.mean, np.float32)[:, None, None]
    tensor = np.empty(planes.shape, np.float32)
    np.multiply(planes, np.float32(preprocessing.scale) / std, out=tensor)
    tensor -= mean / std
    return tensor


def _upright(pixels: Pixels, orientation: int) -> Pixels:
    """Undo ``orientation``, 1 to 8 (CIPA DC-008, tag 274)."""
    if orientation == 1:
        return pixels
    if orientation in (5, 6, 7, 8):
        pixels = pixels.transpose(1, 0, 2)
    if orientation in (2, 3, 6, 7):
        pixels = pixels[:, ::-1]
    if orientation in (3, 4, 7, 8):
        pixels = pixels[::-1]
    return np.ascontiguousarray(pixels)


def _resize(pixels: Pixels, x: float, y: float) -> Pixels:
    """``pixels`` with ``x`` times the width and ``y`` times the height."""
    if x == y == 1:
        return pixels
    how = cv2.INTER_AREA if min(x, y) < 1 else cv2.INTER_LINEAR
    return cv2.resize(pixels, None, fx=x, fy=y, interpolation=how)  # type: ignore[return-value]


def _centre(pixels: Pixels, width: int, height: int) -> Pixels:
    top, left = (pixels.shape[0] - height) // 2, (pixels.shape[1] - width) // 2
    return pixels[top : top + height, left : left + width]
