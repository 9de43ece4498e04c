"""The files of the bundle that `make run` serves."""

from pathlib import Path

from classifier.errors import BundleError
from classifier.model.bundle import MANIFEST, Bundle, Folder, read_bundle


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
