"""JPEGs without an end marker: taken where every block is there, and refused everywhere else."""

import random
from typing import Any

import cv2
import images
import numpy as np
import pytest
from PIL import Image

from classifier.errors import UndecodableImage
from classifier.image import jpeg_entropy
from classifier.image.decode import decode
from classifier.image.header import read_header
from classifier.image.jpeg import Jpeg, read_jpeg
from classifier.image.jpeg_entropy import with_end_marker
from classifier.image.preprocessing import Preprocessing

PHOTO = images.photograph(75, 52)  # no multiple of a block
WHITE = images.plain((255, 255, 255), (200, 120))  # runs of empty blocks
FULL = Preprocessing(size=256, resize=256)
ENCODED: dict[str, tuple[Image.Image, dict[str, Any]]] = {
    "baseline": (PHOTO, {}),
    "optimized": (PHOTO, {"optimize": True, "quality": 95}),
    "4:4:4": (PHOTO, {"subsampling": 0}),
    "4:2:2": (PHOTO, {"subsampling": 1}),
    "restarts": (PHOTO, {"restart_marker_blocks": 3}),
    "grey": (PHOTO.convert("L"), {}),
    "cmyk": (PHOTO.convert("CMYK"), {}),
    "white": (WHITE, {"optimize": True}),
    "noise": (Image.effect_noise((80, 64), 100), {"quality": 100}),
    "progressive": (PHOTO, {"progressive": True}),
    "progressive, fine": (PHOTO, {"progressive": True, "quality": 98}),
    "progressive, 4:4:4": (PHOTO, {"progressive": True, "subsampling": 0}),
    "progressive, restarts": (PHOTO, {"progressive": True, "restart_marker_blocks": 3}),
    "progressive, grey": (PHOTO.convert("L"), {"progressive": True}),
    "progressive, cmyk": (PHOTO.convert("CMYK"), {"progressive": True}),
    "progressive, white": (WHITE, {"progressive": True}),
    "progressive, noise": (Image.effect_noise((80, 64), 100), {"progressive": True}),
}
WHOLE = {
    name: images.encode(image, "JPEG", **options) for name, (image, options) in ENCODED.items()
}


def completed(data: bytes) -> bytes:
    return with_end_marker(data, read_jpeg(data))


@pytest.mark.parametrize("data", WHOLE.values(), ids=WHOLE)
def test_every_block_of_a_whole_image_is_counted_to_the_byte(data: bytes) -> None:
    assert completed(data) == data
    for end in (-1, -2):
        assert completed(data[:end]) == data


@pytest.mark.parametrize("name", [name for name in WHOLE if name != "white"])
def test_what_a_maker_writes_behind_the_pixels_is_ignored(name: str) -> None:
    rng, data = random.Random(5), WHOLE[name]
    for trailer in (b"\0", rng.randbytes(3000), b"SEFH" + data, b"\xff\xd9 and more"):
        assert completed(data[:-2] + trailer) == data


@pytest.mark.parametrize("data", WHOLE.values(), ids=WHOLE)
def test_a_part_is_refused(data: bytes) -> None:
    """The last bytes one by one, and some cuts anywhere."""
    rng = random.Random(3)
    ends = [*range(len(data) - 8, len(data) - 2), *(rng.randrange(len(data)) for _ in range(8))]
    for end in ends:
        with pytest.raises(UndecodableImage):
            completed(data[:end])


def test_blank_paper_with_a_trailer_is_refused() -> None:
    """Its blocks are zeros, and so might be those that are missing."""
    with pytest.raises(UndecodableImage):
        completed(WHOLE["white"][:-2] + b"SEFH")


@pytest.mark.parametrize("name", ["baseline", "optimized", "restarts", "progressive"])
def test_a_part_of_a_file_whose_rest_is_zeros_is_refused(name: str) -> None:
    """A download that was given up, in a file that had its full size from the beginning."""
    data = WHOLE[name]
    for end in range(len(data) // 2, len(data) - 40, len(data) // 9):
        for rest in (len(data) - end, 20_000):
            with pytest.raises(UndecodableImage):
                completed(data[:end] + bytes(rest))


def test_sequential_images_of_several_scans_are_taken() -> None:
    """A scan for each component, as a camera or two write them; made by hand from one of grey."""
    grey = images.encode(PHOTO.convert("L"), "JPEG")
    frame, scan = grey.index(b"\xff\xc0"), grey.index(b"\xff\xda")
    components = b"".join(bytes((n, 0x11, 0)) for n in (1, 2, 3))
    sof = b"\xff\xc0\x00\x11" + grey[frame + 4 : frame + 9] + b"\x03" + components
    coded = grey[scan + 10 : -2]
    scans = [b"\xff\xda\x00\x08\x01" + bytes((n, 0)) + b"\x00\x3f\x00" + coded for n in (1, 2, 3)]
    data = grey[:frame] + sof + grey[frame + 13 : scan] + b"".join(scans) + b"\xff\xd9"
    assert cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR) is not None
    assert completed(data[:-2]) == data
    with pytest.raises(UndecodableImage):
        completed(data[: data.rindex(b"\xff\xda")])


def test_a_progressive_image_that_lacks_its_last_scan_is_refused() -> None:
    data = WHOLE["progressive"]
    with pytest.raises(UndecodableImage, match="cut off"):
        completed(data[: data.rindex(b"\xff\xc4")])


def test_a_repeated_scan_is_refused() -> None:
    data = images.jpeg_with_scans(12)
    last = data.rindex(b"\xff\xda")
    assert completed(data) != data
    broken = data.replace(data[last + 2 : last + 10], b"\x00\x08\x01\x01\x00\x01\x3f\x00")
    with pytest.raises(UndecodableImage):
        completed(broken)


@pytest.mark.parametrize("marker", [0xC4, 0xDA])
def test_tables_and_scans_that_make_no_sense_are_refused(marker: int) -> None:
    data = bytearray(WHOLE["baseline"])
    at = data.index(bytes((0xFF, marker))) + 4
    for value in (0xFF, 0x55):
        damaged = data[:at] + bytes([value] * 8) + data[at + 8 :]
        with pytest.raises(UndecodableImage):
            completed(bytes(damaged[:-2]))


def test_arithmetic_coding_is_refused() -> None:
    data = WHOLE["baseline"].replace(b"\xff\xc0", b"\xff\xc9")
    with pytest.raises(UndecodableImage):
        completed(data[:-2])


def test_what_would_take_too_long_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    data = WHOLE["progressive"][:-2]
    monkeypatch.setattr(jpeg_entropy, "_BLOCKS_MAX", 300)
    with pytest.raises(UndecodableImage):
        completed(data)
    monkeypatch.undo()
    monkeypatch.setattr(jpeg_entropy, "_BYTES_MAX", len(data) - 1)
    with pytest.raises(UndecodableImage):
        completed(data)


@pytest.mark.parametrize("name", ["baseline", "progressive", "restarts"])
@pytest.mark.parametrize("trailer", [b"", b"\x12\x34" * 200, b"\xff\xe4\x00\x04ab\xff\x7a"])
def test_pixels_are_those_of_the_whole_image(name: str, trailer: bytes) -> None:
    data = WHOLE[name]
    part = data[:-2] + trailer
    expected = decode(data, read_header(data), FULL)
    np.testing.assert_array_equal(decode(part, read_header(part), FULL), expected)


def test_an_end_marker_inside_a_trailer_does_not_make_a_progressive_image_undecodable() -> None:
    data = WHOLE["progressive"]
    trailer = b"\xff\xc4\x00\x08\x99\x99\x99\x99\x99\x99" + b"\xff\xd9"
    part = data[:-2] + trailer
    header = read_header(part)
    assert isinstance(header, Jpeg)
    assert header.end == len(part)
    np.testing.assert_array_equal(decode(part, header, FULL), decode(data, read_header(data), FULL))
