"""Pixels and tensors, held against Pillow's."""

import dataclasses
import subprocess
import sys
from pathlib import Path
from typing import Any

import cv2
import images
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from classifier.errors import ImageTooLarge, UndecodableImage, UnsupportedImageType
from classifier.image.header import sniff
from classifier.image.preprocessing import Preprocessing
from classifier.image.tensor import Limits, decode, fit, to_tensor

SOURCE = Path(__file__).parents[2] / "src"
LIMITS = Limits(bytes=10 * 1024 * 1024, pixels=40_000_000)
SMALL = Preprocessing(size=32, resize=32)
FULL = Preprocessing(size=80, resize=80)  # of PHOTO, nothing can be left out
PHOTO = images.photograph(120, 80)
ALPHA = Image.fromarray(np.random.default_rng(3).integers(0, 256, (80, 120), np.uint8))


def translucent() -> Image.Image:
    image = PHOTO.copy()
    image.putalpha(ALPHA)
    return image


# Name: the image, its type, how it is saved, and how far a pixel may be off. CMYK is 1 off, for
# OpenCV and Pillow round the product with black differently.
MODES: dict[str, tuple[Image.Image, str, dict[str, Any], int]] = {
    "grey jpeg": (PHOTO.convert("L"), "JPEG", {}, 0),
    "grey png": (PHOTO.convert("L"), "PNG", {}, 0),
    "black and white png": (PHOTO.convert("1"), "PNG", {}, 0),
    "palette png": (PHOTO.convert("P"), "PNG", {}, 0),
    "transparent palette png": (PHOTO.convert("P"), "PNG", {"transparency": 3}, 0),
    "grey and alpha png": (translucent().convert("LA"), "PNG", {}, 0),
    "alpha png": (translucent(), "PNG", {}, 0),
    "alpha webp": (translucent(), "WEBP", {"lossless": True, "exact": True}, 0),
    "lossy webp": (PHOTO, "WEBP", {}, 0),
    "cmyk jpeg": (PHOTO.convert("CMYK"), "JPEG", {}, 1),
    "progressive jpeg": (PHOTO, "JPEG", {"progressive": True}, 0),
    "4:4:4 jpeg": (PHOTO, "JPEG", {"subsampling": 0}, 0),
}


@pytest.mark.parametrize(("image", "kind", "options", "off"), MODES.values(), ids=MODES)
def test_every_mode_becomes_the_colours_that_pillow_sees(
    image: Image.Image, kind: str, options: dict[str, Any], off: int
) -> None:
    data = images.encode(image, kind, **options)
    found = decode(data, sniff(data), FULL)[:, :, ::-1].astype(int)
    assert np.abs(found - images.pixels(data)).max() <= off


def test_sixteen_bits_keep_the_upper_eight() -> None:
    import cv2

    deep = np.random.default_rng(4).integers(0, 65536, (40, 60, 3), np.uint16)
    data = cv2.imencode(".png", deep)[1].tobytes()
    assert (decode(data, sniff(data), SMALL) == (deep >> 8)).all()


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_images_are_turned_upright(kind: str, orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    options = {"lossless": True} if kind == "WEBP" else {}
    data = images.encode(PHOTO, kind, exif=exif.tobytes(), **options)
    found = decode(data, sniff(data), FULL)[:, :, ::-1]
    assert (found == images.pixels(data)).all()


def test_an_animated_png_shows_its_first_image() -> None:
    other = images.photograph(120, 80, seed=1)
    data = images.encode(PHOTO, "PNG", save_all=True, append_images=[other])
    assert (decode(data, sniff(data), SMALL)[:, :, ::-1] == np.asarray(PHOTO)).all()


@pytest.mark.parametrize(
    ("size", "reduced"),
    [((255, 300), 1), ((256, 300), 2), ((512, 511), 2), ((512, 512), 4), ((2000, 1024), 8)],
)
def test_a_jpeg_is_decoded_no_larger_than_it_must_be(size: tuple[int, int], reduced: int) -> None:
    data = images.encode(images.photograph(*size), "JPEG")
    found = decode(data, sniff(data), Preprocessing(size=100, resize=128, fit="crop"))
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
    cut = fit(pixels, Preprocessing(size=size, resize=resize, fit="crop"))
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
    found = fit(strip, Preprocessing(size=224, resize=256, fit="crop"))
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


TIGHT = """
import dataclasses, os, sys
from pathlib import Path
from classifier.errors import ImageTooLarge, UndecodableImage
from classifier.image.tensor import Limits, to_tensor
from classifier.image.preprocessing import Preprocessing

large, small = (Path(name).read_bytes() for name in sys.argv[1:])
preprocessing = Preprocessing(size=32, resize=32)
plenty = Limits(bytes=10 * 1024 * 1024, pixels=40_000_000)
resident = int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
tight = dataclasses.replace(plenty, memory=resident + 80 * 1024 * 1024)
try:
    to_tensor(large, preprocessing, tight)
except (ImageTooLarge, UndecodableImage):
    assert to_tensor(small, preprocessing, tight).shape == (3, 32, 32)
    assert to_tensor(large, preprocessing, plenty).shape == (3, 32, 32)
else:
    sys.exit("it was decoded")
"""


def test_what_needs_more_memory_than_there_is_fails_alone(tmp_path: Path) -> None:
    """In a process of its own: memory that earlier tests gave back could be had again."""
    large = tmp_path / "large.png"
    large.write_bytes(images.encode(images.plain((1, 2, 3), (6000, 6000)), "PNG"))
    small = tmp_path / "small.png"
    small.write_bytes(images.encode(PHOTO, "PNG"))
    subprocess.run([sys.executable, "-c", TIGHT, large, small], check=True, cwd=SOURCE)
