"""Sniffing: sizes and types as Pillow reads them, and what is refused before any decoder."""

import io
import struct
from typing import Any

import images
import pytest
from PIL import Image

from classifier.errors import UndecodableImage, UnsupportedImageType
from classifier.image.header import Header, sniff, without_ancillary_chunks

PHOTO = images.photograph(120, 80)

WHOLE: dict[str, tuple[str, dict[str, Any]]] = {
    "jpeg": ("JPEG", {}),
    "jpeg-progressive": ("JPEG", {"progressive": True}),
    "jpeg-optimized": ("JPEG", {"optimize": True, "quality": 100, "subsampling": 0}),
    "jpeg-restarts": ("JPEG", {"restart_marker_blocks": 2}),
    "jpeg-comment": ("JPEG", {"comment": b"\xff\xd9 not the end \xff\xc0"}),
    "jpeg-profile": ("JPEG", {"icc_profile": b"x" * 70000}),
    "png": ("PNG", {}),
    "png-resolution": ("PNG", {"dpi": (72, 72)}),
    "webp-lossy": ("WEBP", {}),
    "webp-lossless": ("WEBP", {"lossless": True}),
    "webp-extended": ("WEBP", {"icc_profile": b"x" * 333}),
}


@pytest.fixture(params=WHOLE.values(), ids=WHOLE)
def whole(request: pytest.FixtureRequest) -> bytes:
    kind, options = request.param
    return images.encode(PHOTO, kind, **options)


def test_type_and_size(whole: bytes) -> None:
    with Image.open(io.BytesIO(whole)) as image:
        assert sniff(whole) == Header((image.format or "").lower(), *image.size)


def test_cut_off_anywhere_is_refused(whole: bytes) -> None:
    # The last byte of a WebP may be padding, and of a JPEG nothing but the end marker.
    for length in range(len(whole) - 1):
        with pytest.raises((UndecodableImage, UnsupportedImageType)):
            sniff(whole[:length])


@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
def test_what_follows_the_image_does_not_matter(kind: str) -> None:
    data = images.encode(PHOTO, kind)
    assert sniff(data + b"\xff\xda trailing") == sniff(data)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("order", ["<", ">"])
def test_the_orientation_of_a_webp_is_read(orientation: int, order: str) -> None:
    exif = Image.Exif()
    exif.endian = order
    exif[0x0112] = orientation
    data = images.encode(PHOTO, "WEBP", exif=exif.tobytes())
    assert sniff(data) == Header("webp", 120, 80, orientation)


@pytest.mark.parametrize(
    "exif",
    [
        b"",
        b"XX*\0\x08\0\0\0",
        b"II*\0\xff\xff\xff\xff",
        b"II*\0\x08\0\0\0",
        b"II*\0\x08\0\0\0\xff\xff",
        b"II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x09\0\0\0",
    ],
)
def test_exif_that_makes_no_sense_means_upright(exif: bytes) -> None:
    chunks = b"VP8X" + struct.pack("<I", 10) + bytes(4) + b"\x09\0\0\x07\0\0"
    chunks += b"EXIF" + struct.pack("<I", len(exif)) + exif
    data = b"RIFF" + struct.pack("<I", 4 + len(chunks)) + b"WEBP" + chunks
    assert sniff(data) == Header("webp", 10, 8, 1)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"hello",
        b"GIF89a" + bytes(100),
        b"BM" + bytes(100),
        b"II*\0" + bytes(100),
        b"\0\0\0\x0cjP  \r\n\x87\n" + bytes(100),  # JPEG 2000
        b"#?RADIANCE\n",
        b"P6 1 1 255 abc",
        b"RIFF\0\0\0\0WAVE" + bytes(100),
        b"<svg/>",
    ],
)
def test_other_types_are_unsupported(data: bytes) -> None:
    with pytest.raises(UnsupportedImageType):
        sniff(data)


def test_an_animated_webp_is_unsupported() -> None:
    other = images.photograph(120, 80, seed=1)
    data = images.encode(PHOTO, "WEBP", save_all=True, append_images=[other])
    with pytest.raises(UnsupportedImageType, match="animated"):
        sniff(data)


SOI, EOI = b"\xff\xd8", b"\xff\xd9"
SOF = b"\xff\xc0\x00\x0b\x08\x00\x08\x00\x08\x01\x01\x11\x00"
SOS = b"\xff\xda\x00\x08\x01\x01\x00\x00\x3f\x00"


@pytest.mark.parametrize(
    "data",
    [
        images.png_with_bogus_length(),
        images.png(8, 8),
        images.png_with_bogus_size(0, 8),
        images.png_with_bogus_size(8, 0),
        b"\x89PNG\r\n\x1a\n" + images.png_chunk(b"IEND", b""),
        b"\x89PNG\r\n\x1a\n" + images.png_chunk(b"IHDR", b"") + images.png_chunk(b"IEND", b""),
        images.png(8, 8, *[images.png_chunk(b"IDAT", b"")] * 70_000),
        SOI + b"\xff",
        SOI + b"\xff\xff\xff",
        SOI + b"\xff\xe0\x00\x04ab" + b"cd",
        SOI + b"\xff\xe0\x00\x00" * 10,
        SOI + b"\xff\xe0\xff\xff",
        SOI + b"\xff\x01" * 50 + EOI,
        SOI + SOF + EOI,
        SOI + SOS + b"abc" + EOI,
        SOI + SOF + SOS + b"abc\xff\x00def\xff\xd3ghi",
        SOI + SOF.replace(b"\x00\x08\x00\x08", b"\x00\x00\x00\x08") + SOS + b"abc" + EOI,
        images.jpeg_with_scans(33),
        images.webp_header(b"VP8X", bytes(10))[:20],
        images.webp_header(b"ALPH", bytes(30)),
        images.webp_header(b"VP8 ", bytes(30)),
        images.webp_header(b"VP8L", b""),
    ],
    ids=str,
)
def test_malformed_headers_are_refused(data: bytes) -> None:
    with pytest.raises(UndecodableImage):
        sniff(data)


def test_as_many_scans_as_encoders_write_are_taken() -> None:
    assert sniff(images.jpeg_with_scans(32)) == Header("jpeg", 64, 48)


def test_fill_bytes_between_markers_are_skipped() -> None:
    data = SOI + b"\xff\xff" + SOF + SOS + b"abc\xff\x00d\xff\xd0e" + b"\xff" + EOI
    assert sniff(data) == Header("jpeg", 8, 8)


def test_only_the_chunks_that_pixels_need_are_kept() -> None:
    other = images.photograph(120, 80, seed=1)
    bare = images.encode(PHOTO, "PNG")
    animated = images.encode(PHOTO, "PNG", save_all=True, append_images=[other], dpi=(72, 72))
    assert without_ancillary_chunks(bare) is bare
    kept = without_ancillary_chunks(animated)
    assert b"acTL" in animated
    assert not {b"acTL", b"fcTL", b"fdAT", b"pHYs"} & {kept[i : i + 4] for i in range(len(kept))}
    assert (images.pixels(kept) == images.pixels(bare)).all()
