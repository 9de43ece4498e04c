"""HTML pages that hold everything they show: style and thumbnails are in them."""

import base64
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import jinja2
import numpy as np

from classifier.image.decode import Pixels
from classifier.image.preprocessing import Preprocessing
from tools.errors import ToolError
from tools.model.images import tensor

# Of a thumbnail, pixels.
SIDE = 192
_THUMBNAIL = Preprocessing(size=SIDE, resize=SIDE, fit="crop", color="BGR")
_QUALITY = 80


def template(file: Path, **filters: Callable[..., Any]) -> jinja2.Template:
    """The template in ``file``, which may include page.css and has the filter ``thumbnail``.

    filters: more of them, by name.
    """
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader([file.parent, Path(__file__).parent]),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"thumbnail": thumbnail} | filters
    return environment.get_template(file.name)


def thumbnail(path: Path) -> str:
    """The middle of an image as a data URI, JPEG; empty where it is gone."""
    try:
        pixels = tensor(path.read_bytes(), _THUMBNAIL, str(path)).transpose(1, 2, 0)
    except (OSError, ToolError):
        return ""
    return data_uri(pixels.astype(np.uint8))


def data_uri(pixels: Pixels) -> str:
    """``pixels``, (height, width, 3) uint8 BGR, as a JPEG."""
    _, data = cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, _QUALITY])
    return f"data:image/jpeg;base64,{base64.b64encode(data.tobytes()).decode()}"


def write_page(html: str, file: Path) -> Path:
    """Write the page, whole or not at all; an older one is replaced."""
    handle, temporary = tempfile.mkstemp(prefix=f".{file.name}.", dir=file.parent)
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as stream:
            stream.write(html)
        path = Path(temporary)
        path.chmod(0o644)
        return path.replace(file)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
