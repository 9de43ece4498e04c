"""The checks refuse, by name, each build that would fail on Lambda."""

import struct
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from elftools.elf.elffile import ELFFile

from tools.checks.build import LAMBDA_BYTES, main

TEMPLATE = """
Resources:
  ClassifyFunction:
    Type: AWS::Serverless::Function
    Properties: {CodeUri: ClassifyFunction}
  BatchFunction:
    Type: AWS::Serverless::Function
    Properties: {CodeUri: ClassifyFunction, Handler: !Sub "app.batch_handler"}
  MxnetLayer:
    Type: AWS::Serverless::LayerVersion
    Properties: {ContentUri: MxnetLayer}
  Alarm:
    Type: AWS::CloudWatch::Alarm
"""
X86_64, AARCH64 = 62, 183


def library(
    needed: tuple[str, ...] = (), rpath: str = "", versions: dict[str, str] | None = None,
    machine: int = X86_64,
) -> bytes:  # fmt: skip
    """The smallest shared library that says this of itself: no code, only the sections that tell.

    ``versions`` holds, for a library, a version of a symbol that is wanted from it.
    """
    strings = b"\0"

    def string(text: str) -> int:
        nonlocal strings
        strings += text.encode() + b"\0"
        return len(strings) - len(text) - 1

    wanted = b""
    for left, (name, version) in zip(
        range(len(versions or {}) - 1, -1, -1), (versions or {}).items(), strict=True
    ):
        wanted += struct.pack("<HHIII", 1, 1, string(name), 16, 32 if left else 0)
        wanted += struct.pack("<IHHII", 0, 0, 2, string(version), 0)
    tags = [(1, string(name)) for name in needed] + ([(15, string(rpath))] if rpath else [])
    dynamic = b"".join(struct.pack("<QQ", *tag) for tag in [*tags, (0, 0)])
    names = b"\0.dynstr\0.dynamic\0.gnu.version_r\0.shstrtab\0"
    sections = [  # name, type, link, info, entry size, content
        (b".dynstr", 3, 0, 0, 0, strings),
        (b".dynamic", 6, 1, 0, 16, dynamic),
        (b".gnu.version_r", 0x6FFFFFFE, 1, len(versions or {}), 0, wanted),
        (b".shstrtab", 3, 0, 0, 0, names),
    ]
    body, table = b"", bytes(64)
    for name, kind, link, info, size, content in sections:
        where = (64 + len(body), len(content), link, info, 8, size)
        table += struct.pack("<IIQQQQIIQQ", names.index(name), kind, 0, 0, *where)
        body += content
    start = 64 + len(body)
    head = struct.pack("<HHIQQQIHHHHHH", 3, machine, 1, 0, 0, start, 0, 64, 0, 0, 64, 5, 4)
    return b"\x7fELF\x02\x01\x01".ljust(16, b"\0") + head + body + table


@pytest.fixture
def build(tmp_path: Path) -> Path:
    """A build that passes: a library that finds another beside itself, and two of the base."""
    folder = tmp_path / "build"
    mxnet = folder / "MxnetLayer" / "python" / "mxnet"
    mxnet.mkdir(parents=True)
    (folder / "ClassifyFunction").mkdir()
    (folder / "ClassifyFunction" / "app.py").write_text("x = 1\n")
    (folder / "template.yaml").write_text(TEMPLATE)
    versions = {"libc.so.6": "GLIBC_2.34", "libgomp.so.1": "GOMP_99.0"}
    needed = ("libgomp.so.1", "libc.so.6", "libstdc++.so.6")
    (mxnet / "libmxnet.so").write_bytes(library(needed, "$ORIGIN", versions))
    (mxnet / "libgomp.so.1").write_bytes(library(("libc.so.6",)))
    return folder


def check(build: Path) -> Result:
    return CliRunner().invoke(main, [str(build)])


def refusal(build: Path) -> str:
    result = check(build)
    assert result.exit_code == 1, result.output
    return result.output


def test_the_generated_library_is_valid_elf(build: Path) -> None:
    with (build / "MxnetLayer/python/mxnet/libmxnet.so").open("rb") as stream:
        elf = ELFFile(stream)
        assert elf["e_machine"] == "EM_X86_64"
        names = [section.name for section in elf.iter_sections()]
        assert names == ["", ".dynstr", ".dynamic", ".gnu.version_r", ".shstrtab"]


def test_valid_build_passes_and_prints_its_sizes(build: Path) -> None:
    result = check(build)
    assert result.exit_code == 0, result.output
    rows = [line.split() for line in result.output.splitlines()]
    total = sum(p.stat().st_size for p in build.rglob("*") if p.is_file() and p.parent != build)
    assert ["ClassifyFunction", "app.py", "6"] in rows
    assert ["MxnetLayer", "mxnet", f"{total - 6:,}"] in rows
    assert ["all", f"{total:,}"] in rows
    assert any(row[-1:] == [f"{LAMBDA_BYTES - total:,}"] for row in rows)
    assert not any("BatchFunction" in row for row in rows)  # one folder, counted once


def test_only_the_larger_of_two_functions_counts(build: Path) -> None:
    (build / "BatchFunction").mkdir()
    (build / "BatchFunction" / "app.py").write_text("x = 10\n")
    template = TEMPLATE.replace(
        "{CodeUri: ClassifyFunction, Handler", "{CodeUri: BatchFunction, Handler"
    )
    (build / "template.yaml").write_text(template)
    rows = [line.split() for line in check(build).output.splitlines()]
    assert ["BatchFunction", "app.py", "7"] in rows
    layer = sum(p.stat().st_size for p in (build / "MxnetLayer").rglob("*") if p.is_file())
    assert ["all", f"{layer + 7:,}"] in rows
    (build / "BatchFunction" / "arm.so").write_bytes(library(machine=AARCH64))
    assert "arm.so" in refusal(build)


def test_missing_library_is_reported(build: Path) -> None:
    (build / "MxnetLayer/python/mxnet/libgomp.so.1").unlink()
    assert "libmxnet.so: needs libgomp.so.1, which neither" in refusal(build)


def test_library_outside_the_search_path_is_reported_as_missing(build: Path) -> None:
    gomp = build / "MxnetLayer/python/mxnet/libgomp.so.1"
    gomp.rename(gomp.parent.parent / gomp.name)
    assert "libmxnet.so: needs libgomp.so.1, which neither" in refusal(build)


def test_library_in_the_layers_lib_folder_is_found(build: Path) -> None:
    gomp = build / "MxnetLayer/python/mxnet/libgomp.so.1"
    (build / "MxnetLayer/lib").mkdir()
    gomp.rename(build / "MxnetLayer/lib" / gomp.name)
    assert check(build).exit_code == 0


@pytest.mark.parametrize(
    ("source", "version"),
    [
        ("libc.so.6", "GLIBC_2.35"),
        ("libm.so.6", "GLIBC_2.35"),
        ("libc.so.6", "GLIBC_10.1"),
        ("libc.so.6", "GLIBC_PRIVATE"),
        ("libc.so.6", "GLIBC_ABI_DT_RELR"),
        ("libstdc++.so.6", "GLIBCXX_3.4.30"),
        ("libstdc++.so.6", "CXXABI_1.3.14"),
        ("libgcc_s.so.1", "GCC_12.0.0"),
    ],
)
def test_symbol_newer_than_lambdas_base_is_refused(build: Path, source: str, version: str) -> None:
    path = build / "MxnetLayer/python/mxnet/libnew.so"
    path.write_bytes(library(versions={"libz.so.1": "ZLIB_1.2.9", source: version}))
    assert f"libnew.so: needs {version} of {source}" in refusal(build)


def test_library_for_another_processor_is_refused(build: Path) -> None:
    (build / "ClassifyFunction/arm.so").write_bytes(library(machine=AARCH64))
    assert "arm.so: is for EM_AARCH64 64 bit, not x86_64" in refusal(build)


def test_truncated_library_is_refused(build: Path) -> None:
    (build / "ClassifyFunction/half.so").write_bytes(library()[:40])
    assert "half.so: is no readable library" in refusal(build)


@pytest.mark.parametrize(
    ("megabytes", "limit"), [(300, "Lambda's 262,144,000"), (240, "our 205,000,000")]
)
def test_build_over_the_size_limit_is_refused(build: Path, megabytes: int, limit: str) -> None:
    with (build / "MxnetLayer/python/mxnet/large.bin").open("wb") as file:
        file.truncate(megabytes * 1_000_000)  # takes no room on the disk
    message = refusal(build)
    assert "large.bin: function and layers have" in message
    assert "this file is the largest" in message
    assert limit in message


def test_zip_over_the_size_limit_is_refused(build: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tools.checks.build.ZIP_BYTES", 100)
    assert "MxnetLayer: the zips come to" in refusal(build)


def test_all_findings_are_reported_in_one_run(build: Path) -> None:
    (build / "MxnetLayer/python/mxnet/libgomp.so.1").unlink()
    (build / "ClassifyFunction/arm.so").write_bytes(library(machine=AARCH64))
    assert "2 finding(s)" in refusal(build)


def test_table_of_sizes_is_written_to_a_page(build: Path, tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("Before.\n<!-- sizes -->\nold\n<!-- /sizes -->\nAfter.\n")
    assert CliRunner().invoke(main, [str(build), "--write", str(page)]).exit_code == 0
    text = page.read_text()
    assert text.startswith("Before.\n<!-- sizes -->\n```\npart ")
    assert text.endswith("```\n<!-- /sizes -->\nAfter.\n")
    assert "MxnetLayer" in text
    assert "old" not in text


def test_page_without_the_section_is_one_line(build: Path, tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("Before.\n")
    result = CliRunner().invoke(main, [str(build), "--write", str(page)])
    assert result.exit_code == 1
    assert "<!-- sizes --> and <!-- /sizes --> are missing" in result.output


def test_missing_build_says_what_to_run(tmp_path: Path) -> None:
    assert "run `sam build` first" in refusal(tmp_path)


def test_missing_folder_of_a_layer_is_one_line(build: Path) -> None:
    (build / "MxnetLayer").rename(build / "Elsewhere")
    assert "MxnetLayer is missing" in refusal(build)
