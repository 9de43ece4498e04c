"""Images for the tests, made by code: whole ones, and hostile ones."""

import io
import struct
import zlib

import numpy as np
import numpy.typing as npt
from PIL import Image


def encode(image: Image.Image, kind: str, **options: object) -> bytes:
    """``image`` as a file of ``kind``: "JPEG", "PNG" or "WEBP"."""
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def plain(rgb: tuple[int, int, int], size: tuple[int, int] = (60, 40)) -> Image.Image:
    """All of one colour; ``size`` is width and height."""
    return Image.new("RGB", size, rgb)


def photograph(width: int, height: int, seed: int = 0) -> Image.Image:
    """Smooth blobs of colour with some grain, the nearest to a photograph that code draws."""
    rng = np.random.default_rng(seed)
    coarse = Image.fromarray(rng.integers(0, 256, (6, 8, 3), np.uint8))
    smooth = np.asarray(coarse.resize((width, height), Image.Resampling.BICUBIC), np.int16)
    grain = rng.integers(-12, 13, smooth.shape, np.int16)
    return Image.fromarray(np.clip(smooth + grain, 0, 255).astype(np.uint8))


def pixels(data: bytes) -> npt.NDArray[np.uint8]:
    """What Pillow makes of ``data``: upright, RGB, (height, width, 3)."""
    from PIL import ImageOps

    with Image.open(io.BytesIO(data)) as image:
        return np.asarray(ImageOps.exif_transpose(image).convert("RGB"))


def png_chunk(kind: bytes, content: bytes, length: int | None = None) -> bytes:
    """One chunk of a PNG; ``length`` lies about its size."""
    size = len(content) if length is None else length
    body = kind + content
    return struct.pack(">I", size) + body + struct.pack(">I", zlib.crc32(body))


def png(width: int, height: int, *chunks: bytes) -> bytes:
    """A PNG's signature and header (8 bits, RGB), then ``chunks``."""
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + png_chunk(b"IHDR", header) + b"".join(chunks)


def png_with_bogus_length() -> bytes:
    """A few hundred bytes with a chunk that claims two gigabytes."""
    return png(64, 64, png_chunk(b"tEXt", b"x" * 300, length=0x7FFFFFF0))


def png_with_bogus_size(width: int, height: int) -> bytes:
    """A header that promises more pixels than follow."""
    row = zlib.compress(b"\0" * 100)
    return png(width, height, png_chunk(b"IDAT", row), png_chunk(b"IEND", b""))


def jpeg_with_scans(count: int) -> bytes:
    """A progressive JPEG whose last scan stands there again until there are ``count``."""
    data = encode(photograph(64, 48), "JPEG", progressive=True)
    last = data.rindex(b"\xff\xc4", 0, data.rindex(b"\xff\xda"))  # its table comes before it
    scans = data.count(b"\xff\xda")
    return data[:-2] + data[last:-2] * (count - scans) + b"\xff\xd9"


def webp_header(kind: bytes, content: bytes) -> bytes:
    """A WebP file with one chunk."""
    chunk = kind + struct.pack("<I", len(content)) + content
    return b"RIFF" + struct.pack("<I", 4 + len(chunk)) + b"WEBP" + chunk
