"""Pixels and tensors, held against Pillow's."""

import dataclasses
import struct
import subprocess
import sys
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import images
import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from classifier.errors import ImageTooLarge, UndecodableImage, UnsupportedImageType
from classifier.image.decode import decode
from classifier.image.header import read_header
from classifier.image.preprocessing import Preprocessing
from classifier.image.resize import resize_and_crop
from classifier.image.tensor import Limits, to_tensor

SOURCE = Path(__file__).parents[2] / "src"
LIMITS = Limits(bytes=10 * 1024 * 1024, pixels=40_000_000)
SMALL = Preprocessing(size=32, resize=32)
FULL = Preprocessing(size=80, resize=80)  # of PHOTO, nothing can be left out
PHOTO = images.photograph(120, 80)
BLACK, WHITE = (0, 0, 0), (255, 255, 255)
ALPHA = Image.fromarray(np.random.default_rng(3).integers(0, 256, (80, 120), np.uint8))


def translucent(image: Image.Image = PHOTO, alpha: Image.Image = ALPHA) -> Image.Image:
    image = image.copy()
    image.putalpha(alpha)
    return image


OPAQUE = translucent(alpha=Image.new("L", PHOTO.size, 255))
ICON = translucent(images.plain((0, 0, 0), PHOTO.size), ALPHA.point(lambda a: 255 * (a > 128)))

# Name: the image, its type, how it is saved, and how far a pixel may be off. CMYK is 1 off, for
# OpenCV and Pillow round the product with black differently; so do they with lossy alpha.
MODES: dict[str, tuple[Image.Image, str, dict[str, Any], int]] = {
    "grey jpeg": (PHOTO.convert("L"), "JPEG", {}, 0),
    "grey png": (PHOTO.convert("L"), "PNG", {}, 0),
    "black and white png": (PHOTO.convert("1"), "PNG", {}, 0),
    "palette png": (PHOTO.convert("P"), "PNG", {}, 0),
    "palette png, one color transparent": (PHOTO.convert("P"), "PNG", {"transparency": 3}, 0),
    "palette png, alpha for each color": (
        PHOTO.convert("P"),
        "PNG",
        {"transparency": bytes(range(255, -1, -1))},
        1,
    ),
    "grey png, one shade transparent": (PHOTO.convert("L"), "PNG", {"transparency": 120}, 0),
    "rgb png, one color transparent": (
        images.plain((7, 8, 9), PHOTO.size),
        "PNG",
        {"transparency": (7, 8, 9)},
        0,
    ),
    "grey and alpha png": (translucent().convert("LA"), "PNG", {}, 1),
    "alpha png": (translucent(), "PNG", {}, 1),
    "opaque alpha png": (OPAQUE, "PNG", {}, 0),
    "black icon png": (ICON, "PNG", {}, 0),
    "alpha webp": (translucent(), "WEBP", {"lossless": True, "exact": True}, 1),
    "lossy alpha webp": (translucent(), "WEBP", {}, 1),
    "opaque alpha webp": (OPAQUE, "WEBP", {}, 0),
    "black icon webp": (ICON, "WEBP", {}, 1),
    "lossy webp": (PHOTO, "WEBP", {}, 0),
    "lossless webp": (PHOTO, "WEBP", {"lossless": True}, 0),
    "webp with a profile": (PHOTO, "WEBP", {"icc_profile": b"x" * 33}, 0),
    "cmyk jpeg": (PHOTO.convert("CMYK"), "JPEG", {}, 1),
    "progressive jpeg": (PHOTO, "JPEG", {"progressive": True}, 0),
    "4:4:4 jpeg": (PHOTO, "JPEG", {"subsampling": 0}, 0),
    "webp of one pixel": (images.plain((9, 90, 200), (1, 1)), "WEBP", {"lossless": True}, 0),
}


def rgb(data: bytes) -> npt.NDArray[np.uint8]:
    return decode(data, read_header(data), FULL)[:, :, ::-1]


@pytest.mark.parametrize(("image", "kind", "options", "off"), MODES.values(), ids=MODES)
def test_every_mode_becomes_the_colours_that_pillow_sees(
    image: Image.Image, kind: str, options: dict[str, Any], off: int
) -> None:
    data = images.encode(image, kind, **options)
    difference = np.abs(rgb(data).astype(int) - images.pixels(data))
    assert difference.max() <= off


def test_pixels_that_nobody_sees_do_not_matter() -> None:
    alpha = Image.fromarray((np.asarray(ALPHA) > 128).astype(np.uint8) * 255)
    hidden = [Image.composite(PHOTO, images.plain(c, PHOTO.size), alpha) for c in (BLACK, WHITE)]
    for kind, options in (("PNG", {}), ("WEBP", {"lossless": True, "exact": True})):
        one, two = (rgb(images.encode(translucent(h, alpha), kind, **options)) for h in hidden)
        np.testing.assert_array_equal(one, two)
        assert (one[np.asarray(alpha) == 0] == 255).all()


DEEP = np.random.default_rng(4).integers(0, 65536, (40, 60, 4), np.uint16)


@pytest.mark.parametrize("interlaced", [False, True])
@pytest.mark.parametrize("channels", [1, 3])
def test_sixteen_bits_keep_the_upper_eight(channels: int, interlaced: bool) -> None:
    deep = DEEP[..., :channels]
    assert (rgb(images.png_of(deep, interlaced=interlaced)) == deep >> 8).all()


@pytest.mark.parametrize("interlaced", [False, True])
@pytest.mark.parametrize("channels", [2, 4])
@pytest.mark.parametrize("bits", [8, 16])
def test_alpha_of_any_depth_is_composed_onto_white(
    bits: int, channels: int, interlaced: bool
) -> None:
    samples = DEEP[..., :channels] if bits == 16 else (DEEP[..., :channels] >> 8).astype(np.uint8)
    alpha = samples[..., -1:] / (2**bits - 1)
    expected = 255 * (samples[..., :-1] / (2**bits - 1) * alpha + 1 - alpha)
    difference = np.abs(rgb(images.png_of(samples, interlaced=interlaced)) - expected)
    assert difference.max() < 2
    assert difference.mean() < 0.6


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("channels", [1, 3])
def test_one_color_is_transparent_to_its_last_bit(dtype: type, channels: int) -> None:
    samples = np.full((8, 12, channels), np.iinfo(dtype).max // 3, dtype)
    key = struct.pack(f">{channels}H", *samples[0, 0])
    samples[:, 6:, -1] += 1
    shown = rgb(images.png_of(samples, images.png_chunk(b"tRNS", key)))
    assert (shown[:, :6] == 255).all()
    assert (shown[:, 6:] < 100).all()


@pytest.mark.parametrize("bits", [1, 2, 4])
def test_one_shade_of_few_bits_is_transparent(bits: int) -> None:
    row = bytes([0, 0b01_01_00_00 if bits == 2 else 0b0001_0000 if bits == 4 else 0b1000_0000])
    data = images.png(
        2,
        1,
        images.png_chunk(b"tRNS", b"\0\1"),
        images.png_chunk(b"IDAT", zlib.compress(row)),
        images.png_chunk(b"IEND", b""),
        depth=bits,
        color=0,
    )
    assert rgb(data)[0, 0].tolist() == [255, 255, 255]
    assert rgb(data)[0, 1].tolist() == ([255] * 3 if bits == 2 else [0] * 3)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_images_are_turned_upright(kind: str, orientation: int) -> None:
    options = {"lossless": True} if kind == "WEBP" else {}
    data = images.encode(PHOTO, kind, exif=images.exif(orientation), **options)
    assert read_header(data).orientation == orientation
    assert (rgb(data) == images.pixels(data)).all()


@pytest.mark.parametrize("orientation", range(1, 9))
def test_transparent_images_are_turned_upright(orientation: int) -> None:
    for kind, options in (("PNG", {}), ("WEBP", {"lossless": True, "exact": True})):
        data = images.encode(translucent(), kind, exif=images.exif(orientation), **options)
        assert read_header(data).orientation == orientation
        assert np.abs(rgb(data).astype(int) - images.pixels(data)).max() <= 1


def test_jpegs_decoded_at_a_reduction_are_turned_upright() -> None:
    data = images.encode(images.photograph(480, 320), "JPEG")
    turned = images.with_segment(data, 0xE1, images.exif(6))
    upright, rotated = (decode(each, read_header(each), SMALL) for each in (data, turned))
    assert upright.shape == (40, 60, 3)
    np.testing.assert_array_equal(rotated, np.rot90(upright, -1))


OTHER = images.photograph(120, 80, seed=1)


def test_an_animated_png_shows_its_first_image() -> None:
    data = images.encode(PHOTO, "PNG", save_all=True, append_images=[OTHER])
    assert (rgb(data) == np.asarray(PHOTO)).all()


@pytest.mark.parametrize("options", [{}, {"lossless": True, "exact": True}])
@pytest.mark.parametrize("first", [PHOTO, translucent(), ICON], ids=["opaque", "alpha", "icon"])
def test_an_animated_webp_shows_its_first_frame(
    first: Image.Image, options: dict[str, Any]
) -> None:
    data = images.encode(first, "WEBP", save_all=True, append_images=[OTHER], **options)
    assert b"ANMF" in data
    difference = np.abs(rgb(data).astype(int) - images.pixels(data))
    assert difference.max() <= 1


@pytest.mark.parametrize("alpha", [False, True])
def test_the_first_frame_stands_on_a_white_canvas(alpha: bool) -> None:
    frame = images.encode(ICON if alpha else PHOTO, "WEBP", quality=90)
    sides = (b"\x14\0\0", b"\x1e\0\0", b"\x77\0\0", b"\x4f\0\0", b"\x64\0\0\0")
    chunks = frame[30:] if alpha else frame[12:]  # without the canvas of the still image
    data = images.webp(
        images.webp_canvas(200, 150, flags=0x12),  # animated, and not opaque
        images.webp_chunk(b"ANIM", bytes(6)),
        images.webp_chunk(b"ANMF", b"".join(sides) + chunks),
    )
    expected = np.full((150, 200, 3), 255)
    expected[60:140, 40:160] = rgb(frame)
    np.testing.assert_array_equal(rgb(data), expected)
    assert np.abs(images.pixels(data).astype(int) - expected).max() <= 1


@pytest.mark.parametrize(
    ("size", "reduced"),
    [((255, 300), 1), ((256, 300), 2), ((512, 511), 2), ((512, 512), 4), ((2000, 1024), 8)],
)
def test_a_jpeg_is_decoded_no_larger_than_it_must_be(size: tuple[int, int], reduced: int) -> None:
    data = images.encode(images.photograph(*size), "JPEG")
    found = decode(data, read_header(data), Preprocessing(size=100, resize=128, fit="crop"))
    assert found.shape[:2] == (-(-size[1] // reduced), -(-size[0] // reduced))


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
@pytest.mark.parametrize("size", [(640, 480), (480, 640), (1300, 1000), (300, 224), (100, 90)])
def test_tensors_are_close_to_pillows_antialiased_ones(kind: str, size: tuple[int, int]) -> None:
    preprocessing = Preprocessing(size=224, resize=256, fit="crop")
    data = images.encode(images.photograph(*size), kind)
    with Image.fromarray(images.pixels(data)) as image:
        short = min(image.size)
        width, height = image.width * 256 // short, image.height * 256 // short
        small = image.resize((width, height), Image.Resampling.BILINEAR)
        left, top = (width - 224) // 2, (height - 224) // 2
        wanted = np.asarray(small.crop((left, top, left + 224, top + 224)), np.float32)
    found = to_tensor(data, preprocessing, LIMITS)
    assert found.shape == (3, 224, 224)
    assert found.dtype == np.float32
    assert np.abs(found.transpose(1, 2, 0) - wanted).mean() < 2.5


@pytest.mark.parametrize("color", ["RGB", "BGR"])
def test_the_recipe_is_applied_channel_by_channel(color: str) -> None:
    preprocessing = Preprocessing(
        size=32,
        resize=32,
        color=color,
        scale=0.5,
        mean=(1.0, 2.0, 3.0),
        std=(2.0, 4.0, 8.0),
    )
    tensor = to_tensor(images.encode(images.plain((10, 20, 40)), "PNG"), preprocessing, LIMITS)
    channels = (10, 20, 40) if color == "RGB" else (40, 20, 10)
    for plane, channel, mean, std in zip(
        tensor, channels, preprocessing.mean, preprocessing.std, strict=True
    ):
        np.testing.assert_allclose(plane, (channel * 0.5 - mean) / std, rtol=1e-6)


def test_squash_takes_the_whole_image_and_crop_its_middle() -> None:
    image = images.plain((255, 255, 255), (90, 30))
    image.paste((0, 0, 0), (30, 0, 60, 30))
    data = images.encode(image, "PNG")
    crop = to_tensor(data, Preprocessing(size=30, resize=30, fit="crop"), LIMITS)
    assert not crop.any()
    squash = to_tensor(data, Preprocessing(size=30, resize=30, fit="squash"), LIMITS)
    assert squash.mean() == pytest.approx(170, abs=1)


@given(
    width=st.integers(1, 400),
    height=st.integers(1, 400),
    size=st.integers(1, 224),
    more=st.integers(0, 64),
)
def test_the_cut_is_that_of_the_whole_image_resized(
    width: int, height: int, size: int, more: int
) -> None:
    pixels = np.random.default_rng(width).integers(0, 256, (height, width, 3), np.uint8)
    short, resize = min(width, height), size + more
    whole = pixels
    if max(width, height) > 4 * short:
        left, top = max(width - 4 * short, 0) // 2, max(height - 4 * short, 0) // 2
        whole = pixels[top : top + 4 * short, left : left + 4 * short]
    to = (whole.shape[1] * resize // short, whole.shape[0] * resize // short)
    if to != (whole.shape[1], whole.shape[0]):
        how = cv2.INTER_AREA if resize < short else cv2.INTER_LINEAR
        whole = cv2.resize(whole, to, interpolation=how)
    left, top = (to[0] - size) // 2, (to[1] - size) // 2
    cut = resize_and_crop(pixels, Preprocessing(size=size, resize=resize, fit="crop"))
    np.testing.assert_array_equal(cut, whole[top : top + size, left : left + size])


@pytest.mark.parametrize("size", [(20_000, 1), (1, 20_000), (1, 1)])
@pytest.mark.parametrize("how", ["crop", "squash"])
def test_strips_and_specks_stay_small(size: tuple[int, int], how: str) -> None:
    data = images.encode(images.plain((9, 9, 9), size), "PNG")
    tensor = to_tensor(data, Preprocessing(size=224, resize=256, fit=how), LIMITS)
    assert (tensor == 9).all()


def test_a_strip_is_never_blown_up_whole() -> None:
    strip = np.zeros((2, 30_000, 3), np.uint8)
    strip[:, 15_000:] = 255
    found = resize_and_crop(strip, Preprocessing(size=224, resize=256, fit="crop"))
    assert found.shape == (224, 224, 3)
    assert found[:, :40].max() == 0
    assert found[:, -40:].min() == 255


def test_too_many_bytes() -> None:
    data = images.encode(PHOTO, "JPEG")
    exact = dataclasses.replace(LIMITS, bytes=len(data))
    assert to_tensor(data, SMALL, exact).shape == (3, 32, 32)
    with pytest.raises(ImageTooLarge, match=f"{len(data)} bytes; at most {len(data) - 1}"):
        to_tensor(data, SMALL, dataclasses.replace(LIMITS, bytes=len(data) - 1))


def test_too_many_pixels_are_refused_by_the_header_alone() -> None:
    with pytest.raises(ImageTooLarge, match="100000 x 100000 pixels"):
        to_tensor(images.png_with_bogus_size(100_000, 100_000), SMALL, LIMITS)
    exact = dataclasses.replace(LIMITS, pixels=120 * 80)
    assert to_tensor(images.encode(PHOTO, "PNG"), SMALL, exact).shape == (3, 32, 32)


def damaged(kind: str, at: float) -> bytes:
    data = bytearray(images.encode(PHOTO, kind))
    data[int(len(data) * at)] ^= 0xFF
    return bytes(data)


@pytest.mark.parametrize(
    "data",
    [
        images.png_with_bogus_size(100, 100),
        images.png(8, 8, images.png_chunk(b"IEND", b"")),
        damaged("PNG", 0.5),
        images.webp_header(b"VP8L", b"\x2f" + bytes(30)),
        b"\xff\xd8\xff\xc3" + images.encode(PHOTO, "JPEG")[4:],
    ],
    ids=["missing rows", "no rows", "damaged rows", "empty webp", "odd jpeg"],
)
def test_what_no_decoder_takes(data: bytes) -> None:
    with pytest.raises(UndecodableImage):
        to_tensor(data, SMALL, LIMITS)


def test_what_is_no_image() -> None:
    with pytest.raises(UnsupportedImageType):
        to_tensor(b"hello", SMALL, LIMITS)


# Memory. Each image in a process of its own: memory that earlier tests gave back could be had
# again.

SHORT_OF_MEMORY = """
import dataclasses, os, sys
from pathlib import Path
from classifier.errors import ImageTooLarge
from classifier.image import decode
from classifier.image.header import read_header
from classifier.image.tensor import Limits, to_tensor
from classifier.image.preprocessing import Preprocessing

large, small = (Path(name).read_bytes() for name in sys.argv[1:3])
share, first_check = float(sys.argv[3]), sys.argv[4] == "checked"
# The JPEG is not reduced.
preprocessing = Preprocessing(size=32, resize=4096, fit="squash")
header = read_header(large)
need = header.decoding_bytes(1) if header.type == "jpeg" else header.decoding_bytes()
plenty = Limits(bytes=100 * 1024 * 1024, pixels=40_000_000)
to_tensor(small, preprocessing, plenty)
resident = int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
reserve = 64 * 1024 * 1024
require, checks = decode._require_memory, []
def skip_first_check(need):
    checks.append(need)
    if first_check or len(checks) > 1:
        require(need)
decode._require_memory = skip_first_check
tight = dataclasses.replace(plenty, memory=resident + reserve + int(need * share))
try:
    assert to_tensor(large, preprocessing, tight).shape == (3, 32, 32)
    outcome = "tensor"
except ImageTooLarge as error:
    assert "more memory than there is" in str(error)
    outcome = "too large"
assert to_tensor(small, preprocessing, tight).shape == (3, 32, 32)
print(outcome)
"""
LARGE = images.photograph(2600, 2000)


def deep(channels: int, *, interlaced: bool = False) -> bytes:
    rows = np.asarray(LARGE, np.uint16)[:1000] * 257
    samples = np.dstack([rows, rows[..., :1]])[..., :channels]
    return images.png_of(samples, interlaced=interlaced)


HUNGRY: dict[str, Callable[[], bytes]] = {
    "png": lambda: images.encode(LARGE, "PNG", compress_level=1),
    "grey png": lambda: images.encode(LARGE.convert("L"), "PNG", compress_level=1),
    "palette png": lambda: images.encode(LARGE.convert("P"), "PNG", transparency=3),
    "alpha png": lambda: images.encode(translucent(LARGE, LARGE.convert("L")), "PNG"),
    "16-bit png": lambda: deep(3),
    "16-bit alpha png": lambda: deep(4),
    "interlaced png": lambda: deep(3, interlaced=True),
    "jpeg": lambda: images.encode(LARGE, "JPEG"),
    "progressive jpeg": lambda: images.encode(LARGE, "JPEG", progressive=True),
    "progressive cmyk jpeg": lambda: images.encode(
        LARGE.convert("CMYK"), "JPEG", progressive=True, subsampling=0
    ),
    "lossy webp": lambda: images.encode(LARGE, "WEBP", method=0),
    "lossless webp": lambda: images.encode(LARGE, "WEBP", lossless=True, method=0, quality=0),
    "alpha webp": lambda: images.encode(
        translucent(LARGE, LARGE.convert("L")), "WEBP", method=0, exact=True
    ),
}


def outcome_with(share: float, data: bytes, folder: Path, check: str = "checked") -> str:
    """What becomes of ``data`` where there is ``share`` of the memory that its header asks for.

    check: "unchecked" leaves out the comparison of the two that comes before the decoder.
    """
    large, small = folder / "large", folder / "small"
    large.write_bytes(data)
    small.write_bytes(images.encode(PHOTO, "PNG"))
    command = [sys.executable, "-c", SHORT_OF_MEMORY, large, small, str(share), check]
    done = subprocess.run(command, check=False, cwd=SOURCE, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.mark.parametrize("make", HUNGRY.values(), ids=HUNGRY)
def test_memory_that_the_header_asks_for_is_what_the_decoder_needs(
    make: Callable[[], bytes], tmp_path: Path
) -> None:
    """With less the image is too large, and alone: never undecodable. With it there is a tensor.

    A megabyte or two go to tables, rows and Python itself.
    """
    data = make()
    assert outcome_with(0.5, data, tmp_path) == "too large"
    assert outcome_with(0.95, data, tmp_path) == "too large"
    assert outcome_with(1.25, data, tmp_path) == "tensor"


@pytest.mark.parametrize("make", HUNGRY.values(), ids=HUNGRY)
def test_a_decoder_that_gets_no_memory_leaves_an_image_too_large(
    make: Callable[[], bytes], tmp_path: Path
) -> None:
    """Where a failed allocation is what ends the decoder, its failure is not taken for damage."""
    assert outcome_with(0.6, make(), tmp_path, "unchecked") == "too large"
