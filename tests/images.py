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
    """What Pillow makes of ``data``: first frame, upright, on white, RGB, (height, width, 3)."""
    from PIL import ImageOps

    with Image.open(io.BytesIO(data)) as file:
        image = ImageOps.exif_transpose(file)
        if image.has_transparency_data:
            white = Image.new("RGBA", image.size, "white")
            image = Image.alpha_composite(white, image.convert("RGBA"))
        return np.asarray(image.convert("RGB"))


def exif(orientation: int, *, order: str = "<", kind: str = "H") -> bytes:
    """EXIF with an orientation alone, as JPEG holds it. kind: as ``struct`` has it, H or I."""
    value = struct.pack(order + kind, orientation).ljust(4, b"\0")
    number = {"H": 3, "I": 4}[kind]
    head = struct.pack(order + "2sHIH", {"<": b"II", ">": b"MM"}[order], 42, 8, 1)
    return b"Exif\0\0" + head + struct.pack(order + "HHI", 0x0112, number, 1) + value + bytes(4)


def with_segment(jpeg: bytes, marker: int, content: bytes) -> bytes:
    """``jpeg`` with one more segment, before all others."""
    return jpeg[:2] + struct.pack(">BBH", 0xFF, marker, len(content) + 2) + content + jpeg[2:]


def png_chunk(kind: bytes, content: bytes, length: int | None = None) -> bytes:
    """One chunk of a PNG; ``length`` lies about its size."""
    size = len(content) if length is None else length
    body = kind + content
    return struct.pack(">I", size) + body + struct.pack(">I", zlib.crc32(body))


def png(
    width: int,
    height: int,
    *chunks: bytes,
    depth: int = 8,
    color: int = 2,
    interlaced: bool = False,
) -> bytes:
    """A PNG's signature and header (8 bits, RGB), then ``chunks``."""
    header = struct.pack(">IIBBBBB", width, height, depth, color, 0, 0, interlaced)
    return b"\x89PNG\r\n\x1a\n" + png_chunk(b"IHDR", header) + b"".join(chunks)


PASSES = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))  # fmt: skip  # noqa: E501


def png_of(
    samples: npt.NDArray[np.uint8] | npt.NDArray[np.uint16],
    *chunks: bytes,
    interlaced: bool = False,
) -> bytes:
    """``samples`` (height, width, channels) as a PNG of 8 or 16 bits; ``chunks`` precede them."""
    height, width, channels = samples.shape
    rows = b""
    for left, top, across, down in PASSES if interlaced else ((0, 0, 1, 1),):
        for row in samples[top::down, left::across].astype(samples.dtype.newbyteorder(">")):
            rows += b"\0" + row.tobytes() if row.size else b""
    return png(
        width,
        height,
        *chunks,
        png_chunk(b"IDAT", zlib.compress(rows)),
        png_chunk(b"IEND", b""),
        depth=8 * samples.itemsize,
        color={1: 0, 2: 4, 3: 2, 4: 6}[channels],
        interlaced=interlaced,
    )


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


def webp_chunk(kind: bytes, content: bytes) -> bytes:
    """One chunk of a WebP."""
    return kind + struct.pack("<I", len(content)) + content + bytes(len(content) & 1)


def webp(*chunks: bytes) -> bytes:
    """A WebP file of ``chunks``."""
    body = b"WEBP" + b"".join(chunks)
    return b"RIFF" + struct.pack("<I", len(body)) + body


def webp_canvas(width: int, height: int, flags: int = 0) -> bytes:
    """The chunk that an extended WebP begins with."""
    sides = (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
    return webp_chunk(b"VP8X", struct.pack("<I", flags) + sides)


def webp_header(kind: bytes, content: bytes) -> bytes:
    """A WebP file with one chunk."""
    return webp(webp_chunk(kind, content))
