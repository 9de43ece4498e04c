"""Headers: sizes and types as Pillow reads them, and what is refused before any decoder."""

import io
import struct
import zlib
from typing import Any

import images
import pytest
from PIL import Image

from classifier.errors import UndecodableImage, UnsupportedImageType
from classifier.image.exif import read_orientation
from classifier.image.header import Header, read_header
from classifier.image.jpeg import Jpeg
from classifier.image.png import Png, without_other_chunks
from classifier.image.webp import Webp, still_image

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
    "webp-animated": ("WEBP", {"save_all": True, "append_images": [images.photograph(120, 80, 1)]}),
}


@pytest.fixture(params=WHOLE.values(), ids=WHOLE)
def whole(request: pytest.FixtureRequest) -> bytes:
    kind, options = request.param
    return images.encode(PHOTO, kind, **options)


def size(header: Header) -> tuple[int, int]:
    return header.width, header.height


def read_jpeg(data: bytes) -> Jpeg:
    header = read_header(data)
    assert isinstance(header, Jpeg)
    return header


def read_png(data: bytes) -> Png:
    header = read_header(data)
    assert isinstance(header, Png)
    return header


def read_webp(data: bytes) -> Webp:
    header = read_header(data)
    assert isinstance(header, Webp)
    return header


def test_type_and_size_are_those_that_pillow_reads(whole: bytes) -> None:
    header = read_header(whole)
    with Image.open(io.BytesIO(whole)) as image:
        assert header.type == (image.format or "").lower()
        assert size(header) == image.size
    assert header.orientation == 1


def test_zero_bytes_are_an_empty_image() -> None:
    with pytest.raises(UndecodableImage, match="image is empty"):
        read_header(b"")


def ftyp(*brands: bytes) -> bytes:
    body = b"ftyp" + brands[0] + bytes(4) + b"".join(brands[1:])
    return struct.pack(">I", len(body) + 4) + body + bytes(100)


def saved(kind: str) -> bytes:
    return images.encode(images.plain((1, 2, 3), (8, 8)), kind)


@pytest.mark.parametrize(
    ("data", "name"),
    [
        (ftyp(b"heic", b"mif1", b"heic"), "This is HEIC, as iPhones store photographs. Send JPEG"),
        (ftyp(b"mif1", b"mif1", b"heic"), "This is HEIC, as iPhones store photographs. Send JPEG"),
        (ftyp(b"avif", b"mif1", b"miaf"), "This is AVIF. Send JPEG, PNG or WebP."),
        (ftyp(b"mif1", b"avif"), "This is AVIF"),
        (saved("AVIF"), "This is AVIF"),
        (ftyp(b"crx ", b"isom"), "This is CR3"),
        (ftyp(b"isom", b"mp42"), "This is MP4 or QuickTime, a video"),
        (b"\x1a\x45\xdf\xa3" + bytes(50), "This is WebM"),
        (saved("GIF"), "This is GIF. Send JPEG, PNG or WebP."),
        (saved("BMP"), "This is BMP"),
        (saved("TIFF"), "This is TIFF"),
        (b"MM\0*" + bytes(100), "This is TIFF"),
        (saved("ICO"), "This is ICO"),
        (saved("JPEG2000"), "This is JPEG 2000"),
        (b"\xff\x4f\xff\x51" + bytes(100), "This is JPEG 2000"),
        (b"\xff\x0a" + bytes(100), "This is JPEG XL"),
        (b"\0\0\0\x0cJXL \r\n\x87\n" + bytes(100), "This is JPEG XL"),
        (b"8BPS\0\1" + bytes(100), "This is PSD"),
        (saved("PDF"), "This is PDF"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "This is SVG"),
        (b'\xef\xbb\xbf<?xml version="1.0"?>\n<!-- a -->\n<svg width="1"/>', "This is SVG"),
        (b"PK\3\4" + bytes(100), "This is a ZIP archive"),
        (b"\n <!DOCTYPE HTML><html>", "The address leads to a web page, not to an image."),
        (b"<html lang=en>", "The address leads to a web page, not to an image."),
        (b' {"message": "Forbidden"}', "This is JSON, not an image"),
        (b"[1, 2]", "This is JSON, not an image"),
        (b"hello", "not a JPEG, PNG or WebP image"),
        (b"BM and other text", "not a JPEG, PNG or WebP image"),
        (b"RIFF\0\0\0\0WAVE" + bytes(100), "not a JPEG, PNG or WebP image"),
        (b"P6 1 1 255 abc", "not a JPEG, PNG or WebP image"),
        (b"\0", "not a JPEG, PNG or WebP image"),
    ],
)
def test_other_types_are_named(data: bytes, name: str) -> None:
    with pytest.raises(UnsupportedImageType) as error:
        read_header(data)
    assert name in str(error.value)


# Orientation.


def image_chunk(image: Image.Image = PHOTO) -> bytes:
    """The VP8L chunk of ``image``."""
    return images.encode(image, "WEBP", lossless=True)[12:]


@pytest.mark.parametrize("kind", ["H", "I"])
@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientation_is_read_in_every_spelling(orientation: int, order: str, kind: str) -> None:
    exif = images.exif(orientation, order=order, kind=kind)
    assert read_orientation(exif) == orientation
    assert read_orientation(exif.removeprefix(b"Exif\0\0")) == orientation


@pytest.mark.parametrize(
    "exif",
    [
        b"",
        b"XX*\0\x08\0\0\0",
        b"II*\0\xff\xff\xff\xff",
        b"II*\0\x08\0\0\0",
        b"II*\0\x08\0\0\0\xff\xff",
        images.exif(9),
        images.exif(0, kind="I"),
        images.exif(6)[:-8],
        images.exif(6).replace(b"\x12\x01\x03", b"\x12\x01\x02"),
    ],
)
def test_exif_that_makes_no_sense_means_upright(exif: bytes) -> None:
    assert read_orientation(exif) == 1


JPEG = images.encode(PHOTO, "JPEG")
EXIF = images.exif(6)


def test_jpeg_orientation_is_read_behind_other_segments() -> None:
    data = images.with_segment(JPEG, 0xE1, EXIF)
    data = images.with_segment(data, 0xE1, b"http://ns.adobe.com/xap/1.0/\0<x:xmpmeta/>")
    data = images.with_segment(data, 0xE2, b"ICC_PROFILE\0" + bytes(1000))
    assert read_header(data).orientation == 6


def test_jpeg_orientation_is_that_of_the_first_exif() -> None:
    data = images.with_segment(JPEG, 0xE1, images.exif(3))
    assert read_header(images.with_segment(data, 0xE1, EXIF)).orientation == 6


@pytest.mark.parametrize("before_pixels", [True, False])
def test_png_orientation_is_read_before_and_behind_the_pixels(before_pixels: bool) -> None:
    data = images.encode(PHOTO, "PNG")
    at = 33 if before_pixels else len(data) - 12
    data = (
        data[:at] + images.png_chunk(b"eXIf", images.exif(6).removeprefix(b"Exif\0\0")) + data[at:]
    )
    assert read_header(data).orientation == 6


@pytest.mark.parametrize("prefix", ["", "Exif\0\0"])
@pytest.mark.parametrize("kind", ["H", "I"])
def test_webp_orientation_is_read(prefix: str, kind: str) -> None:
    exif = prefix.encode() + images.exif(6, kind=kind).removeprefix(b"Exif\0\0")
    canvas = images.webp_canvas(*PHOTO.size, flags=0x08)
    xmp = images.webp_chunk(b"XMP ", b"<x/>")
    data = images.webp(canvas, image_chunk(), xmp, images.webp_chunk(b"EXIF", exif))
    header = read_header(data)
    assert header.orientation == 6
    assert size(header) == PHOTO.size


# JPEG.

SOI, EOI = b"\xff\xd8", b"\xff\xd9"
SOF = b"\xff\xc0\x00\x0b\x08\x00\x08\x00\x08\x01\x01\x11\x00"
SOS = b"\xff\xda\x00\x08\x01\x01\x00\x00\x3f\x00"


@pytest.mark.parametrize(
    "data",
    [
        SOI + b"\xff",
        SOI + b"\xff\xff\xff",
        SOI + b"\xff\xe0\x00\x04ab" + b"cd",
        SOI + b"\xff\xe0\x00\x00" * 10,
        SOI + b"\xff\xe0\xff\xff",
        SOI + b"\xff\x01" * 50 + EOI,
        SOI + SOF + EOI,
        SOI + SOS + b"abc" + EOI,
        SOI + SOF + SOF + SOS + b"abc" + EOI,
        SOI + SOI + SOF + SOS + b"abc" + EOI,
        SOI + SOF.replace(b"\x00\x08\x00\x08", b"\x00\x00\x00\x08") + SOS + b"abc" + EOI,
        SOI + SOF[:-3] + b"\x51\x00" + SOS + b"abc" + EOI,
        SOI + SOF.replace(b"\x01\x01\x11", b"\x01\x01\x05") + SOS + b"abc" + EOI,
        images.jpeg_with_scans(33),
    ],
    ids=str,
)
def test_malformed_jpeg_headers_are_refused(data: bytes) -> None:
    with pytest.raises(UndecodableImage):
        read_header(data)


def test_a_second_frame_after_a_scan_does_not_count() -> None:
    """libjpeg allocates for the first; a small second one must not hide a large first one."""
    large = SOF.replace(b"\x00\x08\x00\x08", b"\xff\x00\xff\x00")
    header = read_jpeg(SOI + large + SOS + b"abc" + SOF + SOS + b"abc" + EOI)
    assert size(header) == (0xFF00, 0xFF00)
    assert header.end is None


@pytest.mark.parametrize("frame", [b"\xff\xc3", b"\xff\xc5", b"\xff\xcb", b"\xff\xcf"])
def test_lossless_and_hierarchical_jpegs_are_refused(frame: bytes) -> None:
    with pytest.raises(UndecodableImage, match="lossless or hierarchical"):
        read_header(SOI + frame + SOF[2:] + SOS + b"abc" + EOI)


def test_jpegs_with_twelve_bits_a_sample_are_refused() -> None:
    with pytest.raises(UndecodableImage, match="12 bits a sample"):
        read_header(SOI + SOF.replace(b"\x0b\x08", b"\x0b\x0c") + SOS + b"abc" + EOI)


def test_as_many_scans_as_encoders_write_are_taken() -> None:
    assert size(read_header(images.jpeg_with_scans(32))) == (64, 48)


def test_fill_and_stray_bytes_between_markers_are_skipped() -> None:
    plain = SOI + SOF + SOS + b"abc\xff\x00d\xff\xd0e" + EOI
    stray = (
        SOI + b"\xff\xff" + b"\xff\x00\x00x" + SOF + b"\x99" + SOS + b"abc\xff\x00d\xff\xd0e\xff"
    )
    assert size(read_header(plain)) == (8, 8)
    header = read_jpeg(stray + EOI + b"more")
    assert size(header) == (8, 8)
    assert header.end == len(stray + EOI)


def test_a_jpeg_without_end_marker_has_no_end() -> None:
    assert read_jpeg(JPEG[:-2]).end is None
    assert read_jpeg(JPEG[:-2] + SOI + JPEG).end is None


# PNG.


@pytest.mark.parametrize(
    "data",
    [
        images.png_with_bogus_length(),
        images.png(8, 8),
        images.png_with_bogus_size(0, 8),
        images.png_with_bogus_size(8, 0),
        b"\x89PNG\r\n\x1a\n" + images.png_chunk(b"IEND", b""),
        b"\x89PNG\r\n\x1a\n" + images.png_chunk(b"IHDR", b"") + images.png_chunk(b"IEND", b""),
        images.png(8, 8, images.png_chunk(b"IDAT", b""), depth=3),
        images.png(8, 8, images.png_chunk(b"IDAT", b""), color=1),
        images.png(8, 8, images.png_chunk(b"IDAT", b""), depth=16, color=3),
        images.png(8, 8, *[images.png_chunk(b"IDAT", b"")] * 70_000),
    ],
    ids=lambda data: str(data[:60]),
)
def test_malformed_png_headers_are_refused(data: bytes) -> None:
    with pytest.raises(UndecodableImage):
        read_header(data)


def test_only_the_chunks_that_pixels_need_are_shown_to_the_decoder() -> None:
    other = images.photograph(120, 80, seed=1)
    bare = images.encode(PHOTO, "PNG")
    animated = images.encode(PHOTO, "PNG", save_all=True, append_images=[other], dpi=(72, 72))
    assert without_other_chunks(bare, read_png(bare)) is bare
    shown = without_other_chunks(animated, read_png(animated))
    assert b"acTL" in animated
    assert {chunk.kind for chunk in read_png(shown).chunks} == {b"IHDR", b"IDAT", b"IEND"}
    assert (images.pixels(shown) == images.pixels(bare)).all()


def test_png_without_its_end_chunk_gets_one() -> None:
    data = images.encode(PHOTO, "PNG")
    for missing in (1, 4, 12, 13, 16):
        part = data[:-missing]
        assert without_other_chunks(part, read_png(part)) == data


# Of 9 x 9 pixels of one bit. Interlaced: the passes have 2, 2, 1, 3, 2, 5 rows of one byte, and 4
# of two; and each row has a byte for its filter.
@pytest.mark.parametrize(("interlaced", "size"), [(False, 9 * 3), (True, 15 * 2 + 4 * 3)])
def test_png_that_lacks_a_row_is_refused_without_its_end_chunk(interlaced: bool, size: int) -> None:
    header = images.png(9, 9, depth=1, color=0, interlaced=interlaced)
    whole = header + images.png_chunk(b"IDAT", zlib.compress(bytes(size)))
    assert without_other_chunks(whole, read_png(whole)).endswith(b"IEND\xaeB`\x82")
    part = header + images.png_chunk(b"IDAT", zlib.compress(bytes(size - 1)))
    with pytest.raises(UndecodableImage, match="cut off"):
        without_other_chunks(part, read_png(part))


def test_png_whose_pixel_stream_has_no_end_is_refused_without_its_end_chunk() -> None:
    """All rows are there, but not the checksum that proves it."""
    stream = zlib.compress(bytes(8 * 25))
    for end in (-1, -4, -5):
        part = images.png(8, 8, images.png_chunk(b"IDAT", stream[:end]))
        with pytest.raises(UndecodableImage, match="cut off"):
            without_other_chunks(part, read_png(part))


# WebP.


@pytest.mark.parametrize(
    "data",
    [
        images.webp_header(b"VP8X", bytes(10))[:20],
        images.webp_header(b"VP8X", bytes(10)),
        images.webp_header(b"ALPH", bytes(30)),
        images.webp_header(b"VP8 ", bytes(30)),
        images.webp_header(b"VP8L", b""),
        images.webp(b"VP8L\xff\xff\xff\x7f" + bytes(40)),
        images.webp(),
        images.webp(images.webp_canvas(8, 8, flags=2)),
        images.webp(images.webp_canvas(8, 8, flags=2), images.webp_chunk(b"ANMF", bytes(16))),
        images.webp(images.webp_canvas(8, 8, flags=2), images.webp_chunk(b"ANMF", bytes(3))),
    ],
    ids=str,
)
def test_malformed_webp_headers_are_refused(data: bytes) -> None:
    with pytest.raises(UndecodableImage):
        read_header(data)


def animation(left: int, top: int, width: int, height: int, *, canvas: tuple[int, int]) -> bytes:
    """A WebP of one frame, whose header says where on the canvas it stands."""
    sides = (left // 2, top // 2, width - 1, height - 1, 100)
    header = b"".join(side.to_bytes(3, "little") for side in sides) + b"\0"
    frame = images.webp_chunk(b"ANMF", header + image_chunk())
    return images.webp(images.webp_canvas(*canvas, flags=2), frame)


def test_the_size_of_an_animation_is_that_of_its_canvas() -> None:
    header = read_webp(animation(40, 60, 120, 80, canvas=(200, 150)))
    assert size(header) == (200, 150)
    assert header.frame == (40, 60, 120, 80)


@pytest.mark.parametrize(
    "data",
    [
        images.webp(images.webp_canvas(119, 80), image_chunk()),
        animation(82, 0, 120, 80, canvas=(200, 150)),
        animation(0, 72, 120, 80, canvas=(200, 150)),
        animation(0, 0, 119, 80, canvas=(200, 150)),
    ],
    ids=["still image", "frame beyond the right", "frame beyond the bottom", "frame's size"],
)
def test_a_webp_whose_sizes_differ_is_refused(data: bytes) -> None:
    with pytest.raises(UndecodableImage, match="at odds"):
        read_header(data)


def test_only_the_chunks_of_one_image_are_shown_to_the_decoder() -> None:
    data = images.encode(PHOTO, "WEBP", exif=images.exif(3), xmp=b"<x/>", icc_profile=b"x" * 33)
    shown = still_image(data, read_webp(data))
    assert (shown[12:16], size(read_header(shown))) == (b"VP8 ", PHOTO.size)
    assert not any(kind in shown for kind in (b"EXIF", b"XMP ", b"ICCP"))
