"""An image's bytes become the network's input."""

from dataclasses import dataclass

from classifier.errors import ImageTooLarge, OutOfMemory
from classifier.image.decode import decode
from classifier.image.header import read_header
from classifier.image.memory_limit import memory_limit
from classifier.image.opencv import cv2, is_out_of_memory
from classifier.image.preprocessing import Preprocessing, Tensor
from classifier.image.resize import normalise, resize_and_crop

__all__ = ["Limits", "Tensor", "to_tensor", "use_threads"]


@dataclass(frozen=True)
class Limits:
    """What an image may cost.

    bytes: size of the file. pixels: width times height. memory: what this process may have while
    an image is decoded, bytes; None: no limit.
    """

    bytes: int
    pixels: int
    memory: int | None = None


def use_threads(count: int) -> None:
    """Let OpenCV use ``count`` threads: by itself it takes the machine's cores, not our share."""
    cv2.setNumThreads(count)


def to_tensor(data: bytes, preprocessing: Preprocessing, limits: Limits) -> Tensor:
    """The network's input for the image in ``data``: (3, size, size), float32.

    Orientation from EXIF is honoured, transparency is composed onto white, and grey, palette,
    16-bit and CMYK images become colour. Of an animation the first frame counts.

    Raises ImageTooLarge, UnsupportedImageType, UndecodableImage.
    """
    if len(data) > limits.bytes:
        raise ImageTooLarge(f"The image has {len(data)} bytes; at most {limits.bytes} are taken.")
    header = read_header(data)
    if header.width * header.height > limits.pixels:
        raise ImageTooLarge(
            f"The image has {header.width} x {header.height} pixels; "
            f"at most {limits.pixels} are taken."
        )
    try:
        with memory_limit(limits.memory):
            pixels = decode(data, header, preprocessing)
            return normalise(resize_and_crop(pixels, preprocessing), preprocessing)
    except (MemoryError, cv2.error) as error:
        if isinstance(error, cv2.error) and not is_out_of_memory(error):
            raise
        raise OutOfMemory from error
