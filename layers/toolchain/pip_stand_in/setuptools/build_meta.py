"""Stands in for a build backend while pip downloads source distributions.

Before pip stores a source distribution it asks the package's own build backend for its metadata,
which for NumPy means to build it whole, with whatever compiler is there. The metadata that lies in
the distribution is all that pip needs here.
"""

import email
import shutil
from pathlib import Path

# OpenCV's backend, inside its distribution, hands these on from setuptools.
build_sdist = build_wheel = get_requires_for_build_sdist = None


def prepare_metadata_for_build_wheel(folder, config_settings=None):  # noqa: ARG001 (PEP 517's names)
    fields = email.message_from_string(Path("PKG-INFO").read_text(encoding="utf-8"))
    name = f"{fields['Name'].replace('-', '_')}-{fields['Version']}.dist-info"
    Path(folder, name).mkdir()
    shutil.copy("PKG-INFO", Path(folder, name, "METADATA"))
    return name
