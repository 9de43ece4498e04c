"""The shared libraries in a build: what they need, and whether Lambda can load them."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from elftools.common.exceptions import ELFError
from elftools.elf.dynamic import DynamicSection
from elftools.elf.elffile import ELFFile
from elftools.elf.gnuversions import GNUVerNeedSection

# The libraries of Amazon Linux 2023's base, which the python3.12 runtime stands on.
BASE_LIBRARIES = {
    "ld-linux-x86-64.so.2", "libc.so.6", "libdl.so.2", "libgcc_s.so.1", "libm.so.6",
    "libpthread.so.0", "librt.so.1", "libstdc++.so.6", "libutil.so.1", "libz.so.1",
}  # fmt: skip
# The newest version of each family of symbols in it: glibc 2.34, and the libraries of GCC 11.
NEWEST_SYMBOLS = {
    "GLIBC": (2, 34),
    "GLIBCXX": (3, 4, 29),
    "CXXABI": (1, 3, 13),
    "GCC": (7, 0, 0),
    "ZLIB": (1, 2, 9),
}
# Entries of a library's dynamic section that pyelftools gives as text.
_TEXT_TAGS = ("DT_NEEDED", "DT_RPATH", "DT_RUNPATH")


@dataclass(frozen=True)
class Library:
    """A shared library.

    machine: the processor it is for. needed: the libraries it needs, by file name.
    folders: where the loader looks for these. versions: of the symbols it takes from them,
    as (library, version).
    """

    path: Path
    machine: str
    needed: frozenset[str]
    folders: frozenset[Path]
    versions: frozenset[tuple[str, str]]

    @classmethod
    def read(cls, path: Path) -> "Library":
        """Read a file. Raises ELFError, ValueError: no loader would take it."""
        needed: set[str] = set()
        folders: set[Path] = set()
        versions: set[tuple[str, str]] = set()
        with path.open("rb") as stream:
            elf = ELFFile(stream)
            for section in elf.iter_sections():
                if isinstance(section, DynamicSection):
                    for tag in section.iter_tags():
                        kind = tag.entry.d_tag
                        if kind not in _TEXT_TAGS:
                            continue
                        text = getattr(tag, kind.removeprefix("DT_").lower())
                        if kind == "DT_NEEDED":
                            needed.add(text)
                        else:
                            folders |= {_expand(folder, path) for folder in text.split(":")}
                elif isinstance(section, GNUVerNeedSection):
                    for need, symbols in section.iter_versions():
                        versions |= {(str(need.name), str(symbol.name)) for symbol in symbols}
            machine = f"{elf['e_machine']} {elf.elfclass} bit"
        return cls(path, machine, frozenset(needed), frozenset(folders), frozenset(versions))


def _expand(folder: str, library: Path) -> Path:
    return Path(re.sub(r"\$(ORIGIN|\{ORIGIN\})", str(library.parent), folder)).resolve()


def read_libraries(files: Iterable[Path]) -> tuple[list[Library], list[str]]:
    """The shared libraries among the files, and a finding for each that cannot be read."""
    libraries, findings = [], []
    for file in files:
        with file.open("rb") as stream:
            if stream.read(4) != b"\x7fELF":
                continue
        try:
            libraries.append(Library.read(file))
        except (ELFError, ValueError) as error:
            findings.append(f"{file}: is no readable library: {error}")
    return libraries, findings


def machine_findings(libraries: list[Library]) -> Iterator[str]:
    """Whether every library is for Lambda's x86_64."""
    for library in libraries:
        if library.machine != "EM_X86_64 64 bit":
            yield f"{library.path}: is for {library.machine}, not x86_64"


def needed_findings(libraries: list[Library], search: Iterable[Path]) -> Iterator[str]:
    """Whether every library that another needs is in the base, or where the loader looks for it.

    search: the folders where it looks for every library; each may name more.
    """
    folders = {folder for library in libraries for folder in library.folders} | set(search)
    present = {file.name for folder in folders for file in folder.glob("*.so*")}
    for library in libraries:
        for name in sorted(library.needed - present - BASE_LIBRARIES):
            yield f"{library.path}: needs {name}, which neither the layers nor Lambda have"


def version_findings(libraries: list[Library]) -> Iterator[str]:
    """Whether every symbol that is taken from the base is as old as the base."""
    for library in libraries:
        for source, version in sorted(library.versions):
            if source in BASE_LIBRARIES and not _in_base(version):
                yield f"{library.path}: needs {version} of {source}, which Lambda does not have"


def _in_base(version: str) -> bool:
    family, _, number = version.partition("_")
    if family not in NEWEST_SYMBOLS or not re.fullmatch(r"\d+(\.\d+)*", number):
        return False
    return tuple(map(int, number.split("."))) <= NEWEST_SYMBOLS[family]
