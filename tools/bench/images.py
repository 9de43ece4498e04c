"""JPEGs to measure with, drawn from a seed, as hard to decode as photographs of their size."""

import cv2
import numpy as np
import numpy.typing as npt

from tools.bench.worker import IMAGES

_SEED = 7
# By name: width, height, and the most bytes.
_SIZES = {
    "100 KB": (800, 600, 100_000),
    "234 KB": (500, 375, 234_000),
    "12 MP": (4000, 3000, 3_000_000),
}
assert tuple(_SIZES) == IMAGES

type Pixels = npt.NDArray[np.uint8]


def draw(name: str) -> bytes:
    """The JPEG ``name``, one of IMAGES."""
    width, height, size = _SIZES[name]
    return _encode(_draw(width, height), size)


def calibration(count: int) -> list[bytes]:
    """Images to quantize with, each of its own seed."""
    return [_encode(_draw(400, 300, seed), 30_000) for seed in range(count)]


def _draw(width: int, height: int, seed: int = _SEED) -> Pixels:
    """Noise whose power falls with its frequency, as in photographs. (height, width, 3), uint8."""
    rng = np.random.default_rng(seed)
    noise = np.zeros((height, width, 3), np.float32)
    cells = 4
    while cells < width:
        coarse = rng.standard_normal((max(2, cells * height // width), cells, 3), np.float32)
        noise += cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC) * 120 / cells
        cells *= 2
    low, high = np.percentile(noise, (1, 99))
    pixels: Pixels = np.clip((noise - low) * 255 / (high - low), 0, 255).astype(np.uint8)
    return pixels


def _encode(pixels: Pixels, size: int) -> bytes:
    """The JPEG of the best quality within ``size`` bytes; the quality is 30 at least."""
    low, high = 30, 98
    while low < high:
        middle = (low + high + 1) // 2
        encoded = cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, middle])[1]
        low, high = (middle, high) if len(encoded) <= size else (low, middle - 1)
    return bytes(cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, low])[1])
