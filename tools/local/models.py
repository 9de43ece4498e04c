"""Which bundle `make run` serves."""

from dataclasses import dataclass
from pathlib import Path

from classifier.errors import BundleError
from classifier.model.bundle import MANIFEST, Bundle, Folder, read_bundle
from tools.errors import ToolError

_DEMO = "This is the small demo network, which knows handwritten digits and nothing else."
_SYNTHETIC = "Its weights are drawn from a seed: its labels mean nothing."
_BETTER = "`make model` fetches ResNet-18."


@dataclass(frozen=True)
class Choice:
    """A bundle's folder, and what to tell of it where it is not the one that people expect."""

    folder: Path
    remark: str = ""


def choose(name: str | None, models: Path) -> Choice:
    """The bundle to serve: ``name`` is a folder, or one in ``models``; None takes the best there.

    Raises ToolError: there is no such bundle.
    """
    if name:
        for folder in (Path(name), models / name):
            if folder.is_dir():
                return Choice(folder)
        raise ToolError(f"MODEL={name}: there is no such folder, here or in {models}")
    if (models / "resnet-18").is_dir():
        return Choice(models / "resnet-18")
    if (models / "demo").is_dir():
        return Choice(models / "demo", f"{_DEMO} {_BETTER}")
    return Choice(models / "synthetic", f"{_SYNTHETIC} {_BETTER}")


def read(folder: Path) -> tuple[Bundle, dict[str, bytes]]:
    """The bundle in ``folder``, every checksum verified, and all its files by name.

    Raises BundleError.
    """
    bundle = read_bundle(Folder(folder))
    names = [file.key for file in bundle.manifest.files.values()] + [MANIFEST]
    try:
        # One in the naming of 2017 has no manifest, and may have no labels of its own.
        return bundle, {n: (folder / n).read_bytes() for n in names if (folder / n).is_file()}
    except OSError as error:
        raise BundleError(f"{error.filename}: {error.strerror}") from error
