"""Tables in Markdown."""

from collections.abc import Sequence

from tools.bench.contenders import Figures


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table in Markdown; the first column is aligned left, the others right."""
    rule = "|".join(["---", *["---:"] * (len(head) - 1)])
    lines = [" | ".join(head), rule, *(" | ".join(row) for row in rows)]
    return "\n".join(f"| {line} |" if line != rule else f"|{line}|" for line in lines) + "\n"


def sample_table(name: str, samples: Figures, unit: str = "ms") -> str:
    """A table of samples: median, quartiles, count, and each median over the first's."""
    first = next(iter(samples.values()))["median"]
    rows = []
    for contender, figures in samples.items():
        low, middle, high = (figures[key] for key in ("p25", "median", "p75"))
        ratio = middle / first
        cells = f"{middle:.3g}", f"{low:.3g} to {high:.3g}", str(figures["count"]), f"{ratio:.2f}"
        rows.append([contender, *cells])
    return table([name, f"median, {unit}", "quartiles", "runs", "ratio"], rows)
