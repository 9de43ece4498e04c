"""Reading bundles from folders: checksums, classic names, labels."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import colors
import pytest

from classifier.errors import BundleError
from classifier.model.bundle import Folder, read_bundle
from classifier.model.labels import Label


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return colors.write_bundle(tmp_path_factory.mktemp("bundle"))


@pytest.fixture
def folder(original: Path, tmp_path: Path) -> Path:
    return shutil.copytree(original, tmp_path / "colors")


def test_a_bundle_is_read_whole(folder: Path) -> None:
    bundle = read_bundle(Folder(folder))
    assert bundle.manifest.name == "colors"
    assert bundle.symbol == (folder / "colors-symbol.json").read_bytes()
    assert bundle.params == (folder / "colors-0000.params").read_bytes()
    assert bundle.labels == (Label("c0", "red"), Label("c1", "green"), Label("c2", "blue"))


def flip(file: Path) -> None:
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)


def truncate(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-1])


@pytest.mark.parametrize("name", ["colors-symbol.json", "colors-0000.params", "synset.txt"])
@pytest.mark.parametrize(
    ("damage", "said"),
    [(Path.unlink, "no such file"), (flip, "SHA-256"), (truncate, "bytes, its manifest says")],
)
def test_a_damaged_file_is_named(
    folder: Path, name: str, damage: Callable[[Path], None], said: str
) -> None:
    damage(folder / name)
    with pytest.raises(BundleError, match=f"/{name}: .*{said}"):
        read_bundle(Folder(folder))


def test_an_empty_folder_lacks_its_manifest(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match=r"/manifest\.json: no such file"):
        read_bundle(Folder(tmp_path))


def test_path_that_is_no_folder_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(BundleError, match=r"/file/manifest\.json: Not a directory"):
        read_bundle(Folder(tmp_path / "file"))


def test_a_folder_in_the_2017_naming_needs_no_manifest(folder: Path) -> None:
    (folder / "manifest.json").unlink()
    (folder / "colors-symbol.json").rename(folder / "resnet-18-symbol.json")
    (folder / "colors-0000.params").rename(folder / "resnet-18-0000.params")
    bundle = read_bundle(Folder(folder))
    assert bundle.manifest.version == "2017"
    assert [label.name for label in bundle.labels] == ["red", "green", "blue"]
    (folder / "synset.txt").unlink()
    labels = read_bundle(Folder(folder)).labels
    assert len(labels) == 1000
    assert labels[281] == Label("n02123045", "tabby, tabby cat")
    (folder / "resnet-18-0000.params").unlink()
    with pytest.raises(BundleError, match=r"/resnet-18-0000\.params: no such file"):
        read_bundle(Folder(folder))


def test_manifest_may_not_name_files_outside_its_folder(folder: Path) -> None:
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["files"]["params"]["key"] = "other.params"
    (folder / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(BundleError, match=r"/other\.params: no such file"):
        read_bundle(Folder(folder))
