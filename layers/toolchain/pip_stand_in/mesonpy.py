"""Stands in for NumPy's build backend while pip downloads it; see setuptools.build_meta here."""

from setuptools.build_meta import prepare_metadata_for_build_wheel  # noqa: F401
