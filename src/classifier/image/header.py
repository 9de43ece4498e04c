"""What an image's bytes say before any decoder sees them.

A decoder is never handed what was not looked at first: the type by its magic number, the size from
its header, and that it is whole. OpenCV 4.11 allocates gigabytes for a PNG of 454 bytes, crashes on
a JPEG 2000 file of seven kilobytes, and makes up the missing rest of a JPEG; all three end here or
in ``decode``. Nothing in this module allocates more than the image's own size.
"""

import struct

from classifier.errors import UndecodableImage, UnsupportedImageType
from classifier.image import jpeg, png
from classifier.image.jpeg import Jpeg, read_jpeg
from classifier.image.other_types import describe_other_type
from classifier.image.png import Png, read_png
from classifier.image.webp import Webp, is_webp, read_webp

# Each has ``type``, ``width`` and ``height`` (as stored, pixels) and ``orientation`` (EXIF's, 1 to
# 8).
Header = Jpeg | Png | Webp


def read_header(data: bytes) -> Header:
    """Look at ``data`` without decoding it.

    Raises UnsupportedImageType: it is not JPEG, PNG or WebP. UndecodableImage: it is empty, cut off
    or malformed.
    """
    try:
        if data.startswith(jpeg.SIGNATURE):
            header: Header = read_jpeg(data)
        elif data.startswith(png.SIGNATURE):
            header = read_png(data)
        elif is_webp(data):
            header = read_webp(data)
        elif data:
            raise UnsupportedImageType(describe_other_type(data))
        else:
            raise UndecodableImage("The image is empty.")
    except (struct.error, IndexError) as error:
        raise UndecodableImage("The image is cut off.") from error
    if not header.width or not header.height:
        raise UndecodableImage("The image's header says that it has no pixels.")
    return header
