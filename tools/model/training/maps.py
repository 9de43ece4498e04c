"""Images with the map of a label laid over what the network sees of them."""

from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from classifier.image.preprocessing import Preprocessing
from classifier.image.rectangle import Rectangle
from classifier.image.tensor import Tensor
from classifier.model.activation_map import Evidence
from classifier.model.network import Model
from tools.errors import ToolError
from tools.model.images import tensor

type Pixels = npt.NDArray[np.uint8]

# As on the service's page: dark blue, grey, yellow. RGB and opacity; lighter is more evidence.
_SCALE = np.array([[18, 34, 88], [79, 88, 112], [150, 142, 116], [255, 232, 72]], np.float32)
_OPACITY = 0.69, 0.51
_WHOLE = Rectangle(0.0, 0.0, 1.0, 1.0)


class Maps:
    """Draws with ``model``. It has maps."""

    def __init__(self, model: Model) -> None:
        self._model = model
        self._classes = [label.name for label in model.labels]

    def draw(self, path: Path, label: str, side: int) -> Pixels | None:
        """The evidence for ``label`` in the image ``path``: (side, side, 3), BGR; None: it is gone.

        The image is as the network sees it: cut, or squashed.
        """
        preprocessing = self._model.manifest.input
        try:
            values = tensor(path.read_bytes(), preprocessing, str(path))
        except (OSError, ToolError):
            return None
        features = self._model.classify_with_layers([values]).features
        assert features is not None
        evidence = Evidence(features[0], self._model.last_weights, _WHOLE)
        (map_,) = evidence.maps([self._classes.index(label)])
        share = np.array(map_["values"], np.float32) / max(map_["maximum"], 1e-9)
        pixels = denormalise(values, preprocessing)
        if preprocessing.color == "BGR":
            pixels = pixels[..., ::-1]
        return _overlay(pixels, share, side)


def denormalise(values: Tensor, preprocessing: Preprocessing) -> npt.NDArray[np.float32]:
    """(size, size, 3) pixels, 0..255, in the order of ``color``, of the network's input."""
    std, mean = (np.array(three, np.float32) for three in (preprocessing.std, preprocessing.mean))
    pixels: npt.NDArray[np.float32] = values.transpose(1, 2, 0) * std + mean
    return pixels / np.float32(preprocessing.scale)


def _overlay(pixels: npt.NDArray[np.float32], share: npt.NDArray[np.float32], side: int) -> Pixels:
    """``share``, (height, width) 0..1, in colours over ``pixels``, (size, size, 3) RGB."""
    size = (side, side)
    smooth = np.clip(cv2.resize(share, size, interpolation=cv2.INTER_LINEAR), 0, 1)
    at = np.arange(len(_SCALE)) / (len(_SCALE) - 1)
    color = np.stack([np.interp(smooth, at, channel) for channel in _SCALE.T], axis=-1)
    opacity = np.interp(smooth, (0, 1), _OPACITY)[..., np.newaxis]
    image = cv2.resize(pixels, size, interpolation=cv2.INTER_AREA)
    mixed = image * (1 - opacity) + color * opacity
    rounded: Pixels = np.clip(np.rint(mixed), 0, 255).astype(np.uint8)
    return rounded[..., ::-1]
