"""The names of the function's modules that the benchmarks use exist, and the report is complete."""

from importlib.util import find_spec

import pytest

from tools.bench import measure, profile, report, start
from tools.bench.contenders import Sample

PHASES = [module for phases in start.PHASES.values() for _, module in phases]


@pytest.mark.parametrize("name", [name for names in profile.STEPS.values() for name in names])
def test_profiled_function_exists(name: str) -> None:
    owner, attribute = profile.owner_of(name)
    assert callable(getattr(owner, attribute))


@pytest.mark.parametrize("name", ["classifier.nothing.decode", "classifier.errors.Nothing.status"])
def test_unknown_step_of_a_profile_is_an_error(name: str) -> None:
    with pytest.raises((AttributeError, ModuleNotFoundError)):
        profile.owner_of(name)


@pytest.mark.parametrize("module", [*measure.IMPORTS, *PHASES])
def test_timed_module_exists(module: str) -> None:
    assert find_spec(module)


def test_start_up_phases_begin_with_the_preload() -> None:
    assert start.PHASES["ours"][0][1] == start.PRELOAD


def test_every_ratio_has_a_limit_and_a_description() -> None:
    assert report.LIMITS.keys() == report.DESCRIPTIONS.keys()


def test_table_of_samples_compares_with_the_first() -> None:
    table = report.sample_table(
        "contender", {"ours": Sample([[1.0, 2.0, 3.0]]), "theirs": Sample([[4.0] * 3])}
    )
    assert table.splitlines()[2:] == [
        "| ours | 2 | 1 to 3 | 3 | 1.00 |",
        "| theirs | 4 | 4 to 4 | 3 | 2.00 |",
    ]
