"""The catalogue of networks, catalogue.toml, with types."""

import tomllib
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from classifier.image.preprocessing import Preprocessing

# What all of them know.
DESCRIPTION = "the 1000 classes of ImageNet"


@dataclass(frozen=True)
class Source:
    """A place that publishes a network.

    address: of the folder that holds ``files``; or package: a pinned requirement of pip's, whose
    wheel holds them, and has the checksum ``wheel_sha256``. format, entry, sha256, sha1: see
    catalogue.toml; empty where there is none. preprocessing and licence are those of its files.
    """

    title: str
    files: tuple[str, ...]
    format: str
    preprocessing: Preprocessing
    licence: str
    address: str = ""
    package: str = ""
    wheel_sha256: str = ""
    entry: str = ""
    sha256: str = ""
    sha1: str = ""

    @property
    def place(self) -> str:
        """The address or the package, to be shown."""
        return self.address or self.package

    @property
    def check(self) -> str:
        """How its files are verified; empty where nobody published a checksum."""
        if self.sha1:
            return "SHA-1 verified"
        if not self.sha256:
            return ""
        whole = len(self.sha256) == 64
        return "SHA-256 verified" + ("" if whole else f" by its first {len(self.sha256)} digits")


@dataclass(frozen=True)
class Network:
    """An entry of the catalogue; top1 and top5 are per cent, top5 None where none is published."""

    name: str
    input: Preprocessing
    licence: str
    parameters: int
    multiply_adds: int
    top1: float
    top5: float | None
    published: str
    sources: tuple[Source, ...]

    def mirrored(self, mirror: str) -> "Network":
        """The same network with all files directly below the address ``mirror``, each once."""
        sources = {}
        for source in self.sources:
            files = tuple(Path(file).name for file in source.files)
            if files not in sources:
                sources[files] = replace(source, files=files, address=mirror, package="")
        return replace(self, sources=tuple(sources.values()))


def _inputs(tables: dict[str, Any]) -> dict[str, Preprocessing]:
    return {name: _preprocessing(**table) for name, table in tables.items()}


def _preprocessing(
    *,
    size: int,
    resize: int | None = None,
    fit: str = "crop",
    scale: float = 1.0,
    mean: list[float] | None = None,
    std: list[float] | None = None,
) -> Preprocessing:
    return Preprocessing(
        size=size,
        resize=resize or size,
        fit=fit,
        scale=scale,
        mean=tuple(map(float, mean or [0, 0, 0])),
        std=tuple(map(float, std or [1, 1, 1])),
    )


def _network(name: str, table: dict[str, Any]) -> Network:
    preprocessing = INPUTS[table.pop("input")]
    sources = tuple(
        _source(source, preprocessing, table["licence"]) for source in table.pop("sources")
    )
    table.setdefault("top5", None)
    return Network(name=name, input=preprocessing, sources=sources, **table)


def _source(table: dict[str, Any], preprocessing: Preprocessing, licence: str) -> Source:
    if "input" in table:
        preprocessing = INPUTS[table.pop("input")]
    files = tuple(table.pop("files"))
    return Source(files=files, preprocessing=preprocessing, **{"licence": licence} | table)


_TABLES = tomllib.loads(Path(__file__).with_suffix(".toml").read_text(encoding="utf-8"))
INPUTS = _inputs(_TABLES["inputs"])
NETWORKS = {name: _network(name, table) for name, table in _TABLES["networks"].items()}
