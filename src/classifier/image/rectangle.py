"""Which part of an image the network sees."""

from dataclasses import dataclass

from classifier.image.decode import upright_size
from classifier.image.header import read_header
from classifier.image.preprocessing import Preprocessing
from classifier.image.resize import Crop

_DECIMALS = 5


@dataclass(frozen=True)
class Rectangle:
    """A part of an image, in fractions of its width and height once it is upright (EXIF).

    Fractions hold for every copy of the image, whatever size it is shown at.
    """

    left: float
    top: float
    width: float
    height: float


def seen_rectangle(data: bytes, preprocessing: Preprocessing) -> Rectangle:
    """What the network sees of the image in ``data``, which ``to_tensor`` took."""
    if preprocessing.fit == "squash":
        return Rectangle(0.0, 0.0, 1.0, 1.0)
    width, height = upright_size(read_header(data))
    crop = Crop.of(width, height, preprocessing)
    left, wide = _side(crop.left, preprocessing.size, crop.x, crop.width, width)
    top, high = _side(crop.top, preprocessing.size, crop.y, crop.height, height)
    return Rectangle(left, top, wide, high)


def _side(start: int, size: int, scale: float, strip: int, whole: int) -> tuple[float, float]:
    """Where a side of the crop starts, and how long it is, in fractions of ``whole``."""
    begin = (whole - strip) // 2 + start / scale
    return round(begin / whole, _DECIMALS), round(size / scale / whole, _DECIMALS)
