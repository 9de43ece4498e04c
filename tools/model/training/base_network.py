"""The network whose last layer is replaced: a folder's, or one of the catalogue."""

from pathlib import Path

from classifier.model.bundle import Bundle
from tools.errors import ToolError
from tools.model.catalogue import NETWORKS
from tools.model.download import Timeouts
from tools.model.fetch import NoSourceError, fetch
from tools.model.files import open_folder
from tools.model.terminal import byte_progress, errors, show_downloads

# Of the networks that the package index has: 98 % of 50 ants and bees after 80 others.
DEFAULT = "efficientnet-lite0"


def open_base(name: str, models: Path, option: str = "--base") -> Bundle:
    """The bundle in the folder ``name`` or ``models/name``; the catalogue's are fetched to there.

    option: what errors call it.

    Raises ToolError: there is none, or it cannot be fetched. BundleError: it is broken.
    """
    for folder in (Path(name), models / name):
        if folder.is_dir():
            return open_folder(folder)
    if name not in NETWORKS:
        raise ToolError(
            f"{option} {name}: no such folder, nor a network of the catalogue, which has"
            f" {', '.join(NETWORKS)}"
        )
    try:
        with byte_progress() as bars:
            fetch(NETWORKS[name], models / name, show_downloads(bars, errors), Timeouts())
    except NoSourceError as error:
        reasons = "; ".join(f"{each.source}: {each.reason}" for each in error.failures)
        raise ToolError(
            f"{option} {name}: cannot be fetched ({reasons}); name a bundle's folder with {option}"
        ) from error
    return open_folder(models / name)
