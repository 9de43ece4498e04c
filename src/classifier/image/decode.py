"""An image's bytes become pixels: decoded, composed onto white, turned upright."""

import numpy as np
import numpy.typing as npt

from classifier.errors import UndecodableImage
from classifier.image.header import Header
from classifier.image.jpeg import Jpeg
from classifier.image.jpeg_entropy import with_end_marker
from classifier.image.opencv import cv2, is_out_of_memory
from classifier.image.png import Png, without_other_chunks
from classifier.image.preprocessing import Preprocessing
from classifier.image.webp import Webp, still_image

Pixels = npt.NDArray[np.uint8]
_Decoded = npt.NDArray[np.uint8] | npt.NDArray[np.uint16]

# OpenCV's own reading of EXIF stays off: it knows fewer spellings than ours, and not for every
# type.
_REDUCED = {
    8: cv2.IMREAD_REDUCED_COLOR_8 | cv2.IMREAD_IGNORE_ORIENTATION,
    4: cv2.IMREAD_REDUCED_COLOR_4 | cv2.IMREAD_IGNORE_ORIENTATION,
    2: cv2.IMREAD_REDUCED_COLOR_2 | cv2.IMREAD_IGNORE_ORIENTATION,
    1: cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION,
}
_COLOR = _REDUCED[1]
_UNCHANGED = cv2.IMREAD_UNCHANGED  # with alpha, and 16 bits where there are; never turned
_WHITE = 255
_STRIP = 1 << 18  # pixels composed at a time: the wider numbers need little memory

# What EXIF's orientation asks for (CIPA DC-008, tag 274): sides swapped, then flipped about an
# axis.
_TRANSPOSED = frozenset({5, 6, 7, 8})
_FLIPS = {2: 1, 3: -1, 4: 0, 6: 1, 7: -1, 8: 0}


def decode(data: bytes, header: Header, preprocessing: Preprocessing) -> Pixels:
    """The pixels of ``data``, (height, width, 3), BGR, at least as large as ``preprocessing``
    needs.

    Raises UndecodableImage; MemoryError or cv2.error where there is too little memory.
    """
    if isinstance(header, Jpeg):
        pixels = _decode_jpeg(data, header, preprocessing)
    elif isinstance(header, Png):
        pixels = _decode_png(data, header)
    else:
        pixels = _decode_webp(data, header)
    return _upright(pixels, header.orientation)


def upright_size(header: Header) -> tuple[int, int]:
    """Width and height of the image once it is upright, pixels."""
    if header.orientation in _TRANSPOSED:
        return header.height, header.width
    return header.width, header.height


def _decode_jpeg(data: bytes, header: Jpeg, preprocessing: Preprocessing) -> Pixels:
    """The pixels of a JPEG, decoded at the largest reduction that still suffices.

    An eighth of each side costs a fraction of the time, and area averaging of what is left is
    closer to an antialiased resize than area averaging of the whole.
    """
    short = min(header.width, header.height)
    reduction = next(n for n in _REDUCED if n == 1 or short >= n * preprocessing.resize)
    size = (-(-header.height // reduction), -(-header.width // reduction))
    need, flag = header.decoding_bytes(reduction), _REDUCED[reduction]
    if header.end is not None:
        try:
            return _decode(memoryview(data)[: header.end], flag, size, need)
        except UndecodableImage:
            # An end marker in what a maker wrote behind an image without one: there, the image ends
            # where its pixels do.
            pass
    return _decode(with_end_marker(data, header), flag, size, need)


def _decode_png(data: bytes, header: Png) -> Pixels:
    color, whole = header.transparent_color, header.has_alpha
    flag = _UNCHANGED if whole or color else _COLOR
    need = header.decoding_bytes()
    pixels = _decode(without_other_chunks(data, header), flag, (header.height, header.width), need)
    if color:
        return _color_on_white(pixels, color)
    return _alpha_on_white(pixels) if whole else pixels


def _decode_webp(data: bytes, header: Webp) -> Pixels:
    left, top, width, height = header.frame
    flag = _UNCHANGED if header.has_alpha else _COLOR
    pixels = _decode(still_image(data, header), flag, (height, width), header.decoding_bytes())
    if header.has_alpha:
        pixels = _alpha_on_white(pixels)
    if (height, width) == (header.height, header.width):
        return pixels
    canvas = np.full((header.height, header.width, 3), _WHITE, np.uint8)
    canvas[top : top + height, left : left + width] = pixels
    return canvas


def _decode(data: bytes | memoryview, flag: int, size: tuple[int, int], need: int) -> Pixels:
    """What OpenCV makes of ``data``.

    size: height and width that the header promises, pixels. need: the memory that this takes,
    bytes.
    """
    _require_memory(need)
    try:
        pixels = cv2.imdecode(np.frombuffer(data, np.uint8), flag)
    except cv2.error as error:
        if is_out_of_memory(error):
            raise
        pixels = None
    if pixels is None:
        # A decoder that gets no memory fails like one that gets a damaged image.
        _require_memory(need + need // 4)
        raise UndecodableImage("The image cannot be decoded.")
    if pixels.shape[:2] != size:
        raise UndecodableImage("The image's header is at odds with its pixels.")
    return pixels  # type: ignore[return-value]


def _require_memory(need: int) -> None:
    """Raise MemoryError where ``need`` bytes cannot be had. None is touched: microseconds."""
    np.empty(need, np.uint8)


def _alpha_on_white(pixels: _Decoded) -> Pixels:
    """``pixels`` (height, width, 4) on white: (height, width, 3), 8 bits."""
    if pixels[..., 3].min() == np.iinfo(pixels.dtype).max:
        return cv2.cvtColor(_eight_bits(pixels), cv2.COLOR_BGRA2BGR)  # type: ignore[return-value]
    composed = np.empty((*pixels.shape[:2], 3), np.uint8)
    rows = max(_STRIP // pixels.shape[1], 1)
    for top in range(0, pixels.shape[0], rows):
        strip = _eight_bits(pixels[top : top + rows]).astype(np.uint16)
        alpha = strip[..., 3:]
        # c * a + 255 * (255 - a), over 255, rounded; no step exceeds 16 bits.
        mixed = strip[..., :3] * alpha + _WHITE * (255 - alpha) + 128
        composed[top : top + rows] = (mixed + (mixed >> 8)) >> 8
    return composed


def _color_on_white(pixels: _Decoded, color: tuple[int, ...]) -> Pixels:
    """``pixels`` (height, width, 3), or of grey (height, width), white where they are ``color``."""
    planes = pixels if pixels.ndim == 3 else pixels[..., None]
    transparent = np.logical_and.reduce([planes[..., n] == each for n, each in enumerate(color)])
    opaque = _eight_bits(pixels)
    if opaque.ndim == 2:
        opaque = cv2.cvtColor(opaque, cv2.COLOR_GRAY2BGR)  # type: ignore[assignment]
    opaque[transparent] = _WHITE
    return opaque


def _eight_bits(pixels: _Decoded) -> Pixels:
    """The upper eight bits of each sample."""
    if pixels.dtype == np.uint16:
        return (pixels >> 8).astype(np.uint8)
    return pixels  # type: ignore[return-value]


def _upright(pixels: Pixels, orientation: int) -> Pixels:
    """Undo ``orientation``, 1 to 8."""
    if orientation in _TRANSPOSED:
        pixels = cv2.transpose(pixels)  # type: ignore[assignment]
    if orientation in _FLIPS:
        pixels = cv2.flip(pixels, _FLIPS[orientation])  # type: ignore[assignment]
    return pixels
