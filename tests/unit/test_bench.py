"""The names of the function's modules that the benchmarks use exist, and the report is complete."""

import json
import subprocess
import sys
from collections.abc import Iterable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from tools.bench import (
    cli,
    cost,
    handlers,
    measure,
    profile,
    publication,
    ratios,
    report,
    start,
    tables,
)
from tools.bench.contenders import Sample
from tools.bench.worker import NETWORKS
from tools.errors import ToolError
from tools.project import ROOT

PHASES = [module for phases in start.PHASES.values() for _, module in phases]


RESOLVE = """
from tools.bench import profile
for names in (*profile.STEPS.values(), *profile.BATCH_STEPS.values()):
    for name in names:
        assert callable(getattr(*profile.owner_of(name))), name
"""


def test_profiled_functions_exist() -> None:
    # In a process of its own: the function starts when it is imported.
    process = subprocess.run(
        [sys.executable, "-c", RESOLVE], capture_output=True, text=True, check=False
    )
    assert process.returncode == 0, process.stderr


@pytest.mark.parametrize("name", ["classifier.nothing.decode", "classifier.errors.Nothing.status"])
def test_unknown_step_of_a_profile_is_an_error(name: str) -> None:
    with pytest.raises((AttributeError, ModuleNotFoundError)):
        profile.owner_of(name)


@pytest.mark.parametrize("module", [*measure.IMPORTS, *PHASES])
def test_timed_module_exists(module: str) -> None:
    assert find_spec(module)


def results() -> measure.Results:
    """A sample of 2 ms for everything; float32 takes 4."""

    def samples(names: Iterable[str]) -> dict[str, Sample]:
        return {name: Sample([[4.0 if "float32" in name else 2.0]]) for name in names}

    phases = {
        kind: [{"reached": [["interpreter", 0.1], ["first answer", 0.5]], "bundle": 0.2}]
        for kind in start.PHASES
    }
    runs = [name for each in measure.REQUEST_RUNS.values() for name in each]
    engines = [
        measure.engine_run(network, batch, threads)
        for network in NETWORKS
        for batch in (1, 8)
        for threads in (1, 2)
    ]
    return measure.Results(
        starts=samples(handlers.HANDLERS),
        cold_starts=samples(measure.COLD),
        read_mb=samples(measure.COLD),
        phases=phases,
        imports=samples(measure.IMPORTS),
        requests={name: samples(handlers.HANDLERS) for name in runs},
        not_inference_ms={name: samples(handlers.OURS) for name in runs},
        steps={name: samples([*profile.STEPS, "in all"]) for name in handlers.OURS},
        engines={name: samples(measure.ENGINES) for name in engines},
        batches={name: samples(handlers.OURS) for name in ("one vCPU", "two vCPU")},
        batch_steps_ms={
            name: dict.fromkeys(handlers.OURS, dict.fromkeys(profile.BATCH_STEPS, 3.25))
            for name in ("one vCPU", "two vCPU")
        },
        preparation=samples(measure.PREPARATIONS),
        peak_mb=dict.fromkeys(handlers.HANDLERS, 200.0) | {"today": 400.0},
    )


def cpu_shares() -> dict[str, Any]:
    """Figures of the small sizes, none of which one vCPU's time would give."""
    sample = Sample([[77.0]]).describe()
    figures = {
        "start_s": Sample([[1.25]]).describe(),
        "request_ms": {"234 KB": sample, "100 KB": Sample([[88.0]]).describe()},
        "peak_mb": 220.4,
    }
    return {size: dict.fromkeys(handlers.OURS, figures) for size in ("512", "1024")}


def document() -> dict[str, Any]:
    load = {
        **dict.fromkeys(("mean_ms", "p50_ms", "p99_ms"), 1.0),
        "rate": 75.0,
        "seconds": 60,
        "errors": 0,
        "highest_rate": 90.0,
    }
    return {
        "date": "2026-01-02",
        "machine": {"cores": "2"},
        "ratios": ratios.ratios(results()),
        "peak_memory_mb": 235,
        "load": {"float32": load},
        "runs": report.as_json(results()),
        "cpu_shares": cpu_shares(),
        "package": {"MxnetLayer": 100, "OpencvLayer": 50, "today": 120},
    }


def test_every_limit_has_a_figure() -> None:
    figures = ratios.ratios(results())
    assert set(ratios.LIMITS) <= figures.keys()
    assert figures["warm_float32_vs_2017"] == 2
    assert figures["warm_int8_vs_2017"] == 1
    assert figures["memory_vs_today"] == 0.5
    # 2 images a second, and the network alone takes 2 / 8 ms an image.
    assert figures["batch_int8_vs_inference_two_vcpu"] == round(2 * 2 / 8 / 1000, 3)


def test_limits_are_greatest_or_least_values() -> None:
    assert ratios.is_met("start_vs_2017", 0.28)
    assert not ratios.is_met("start_vs_2017", 0.29)
    assert ratios.is_met("batch_int8_vs_inference_two_vcpu", 0.9)
    assert not ratios.is_met("batch_int8_vs_inference_two_vcpu", 0.89)


def test_page_has_every_section() -> None:
    page = report.page(document())
    assert [line[3:] for line in page.splitlines() if line.startswith("## ")] == [
        "Start-up", "Warm requests", "With part of a vCPU", "Inference alone", "Batches",
        "Decoding", "Load", "Package",
    ]  # fmt: skip
    assert "| ours, all | 150 |" in page
    assert "| packages of today's handler | 120 |" in page
    assert "2026-01-02" in page
    assert "at most" not in page  # what we aim at is for the terminal


def test_readme_section_has_the_table_and_the_load() -> None:
    text = report.summary(document())
    assert "| ours float32 | 4.00 | 4.0 | 4.0 | 200 |" in text
    assert "At 75 requests a second for 60 s" in text


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project with measurements in build/bench, and documents without."""
    for folder in ("docs/images", "build/bench/images"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "build/bench/benchmarks.json").write_text(json.dumps(document()))
    (tmp_path / "build/bench/benchmarks.md").write_text("the page")
    (tmp_path / "build/bench/images/bench.svg").write_text("a plot")
    (tmp_path / "README.md").write_text("<!-- benchmarks -->\n<!-- /benchmarks -->\n")
    return tmp_path


def test_publication_fills_the_documents(project: Path) -> None:
    publication.publish(project / "build/bench", project)
    assert json.loads((project / "docs/benchmarks.json").read_text()) == document()
    assert (project / "docs/benchmarks.md").read_text() == "the page"
    assert (project / "docs/images/bench.svg").read_text() == "a plot"
    assert "At 75 requests a second for 60 s" in (project / "README.md").read_text()


def test_publication_needs_measurements_with_a_load(project: Path) -> None:
    with pytest.raises(ToolError, match="run `make bench` first"):
        publication.publish(project / "nowhere", project)
    figures = project / "build/bench/benchmarks.json"
    figures.write_text(json.dumps(document() | {"load": {}}))
    with pytest.raises(ToolError, match="has no load test"):
        publication.publish(project / "build/bench", project)
    assert not (project / "docs/benchmarks.md").exists()


def test_page_shows_the_small_sizes_where_they_were_measured() -> None:
    row = "| 512 MB | ours int8 | 1.25 | 77 | 77 to 77 | 1 | 220 |"
    assert row in report.page(document())
    before = {name: each for name, each in document().items() if name != "cpu_shares"}
    for without in (before, before | {"cpu_shares": {}}):
        assert "part of a vCPU" not in report.page(without)


def test_page_says_at_which_pace_bundles_come() -> None:
    words = " ".join(report.page(document()).split())
    assert "the first byte after 15 ms, no more than 90 MB/s a connection" in words


def test_terminal_says_what_was_left_out() -> None:
    assert cli.left_out(document()) == []
    load, part = cli.left_out(document() | {"load": {}, "cpu_shares": {}})
    assert load.startswith("Left out: the load test")
    assert part.startswith("Left out: part of a vCPU (only root may")


def test_cost_section_reads_the_measured_times() -> None:
    prices = cost.Prices.read(cost.PRICES)
    section = cost.section(prices, document())
    assert "| ours float32 | 1,769 | 4 |" in section
    assert "| ours float32 | 512 | 88 |" in section
    assert "were measured with that part" in section


def test_cost_section_computes_the_times_of_small_sizes_that_were_not_measured() -> None:
    section = cost.section(cost.Prices.read(cost.PRICES), document() | {"cpu_shares": {}})
    assert "| ours float32 | 512 | 14 |" in section  # 4 ms with one vCPU, of which 0.29 is there
    assert "are computed from those with one vCPU" in section


def test_documents_show_the_published_figures() -> None:
    published = json.loads((ROOT / "docs/benchmarks.json").read_text())
    assert (ROOT / "docs/benchmarks.md").read_text() == report.page(published)
    assert report.summary(published) in (ROOT / "README.md").read_text()
    costs = cost.section(cost.Prices.read(cost.PRICES), published)
    assert costs in (ROOT / "docs/deploy.md").read_text()


def test_table_of_samples_compares_with_the_first() -> None:
    table = tables.sample_table(
        "contender",
        {
            "ours": Sample([[1.0, 2.0, 3.0]]).describe(),
            "theirs": Sample([[4.0] * 3]).describe(),
        },
    )
    assert table.splitlines()[2:] == [
        "| ours | 2 | 1 to 3 | 3 | 1.00 |",
        "| theirs | 4 | 4 to 4 | 3 | 2.00 |",
    ]
