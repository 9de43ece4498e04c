"""Coverage-guided fuzzing, in one command:

    python tests/fuzz/fuzz.py TARGET [options of libFuzzer, -runs=100000 for one]

TARGET is events, forms, headers or images. It begins with the kept corpus, ends at the first
finding and leaves its input in the folder where it was started. What leads to new paths is kept
among the system's temporary files.
"""

import sys
import tempfile
from pathlib import Path

import atheris

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parents[1] / "src")]

# The walk through a JPEG's blocks compares thousands of numbers an input, and Atheris keeps memory
# for each comparison that it traces: 2.6 MB an input, where without tracing nothing grows.
NOT_TRACED = ["classifier.image.jpeg_blocks", "classifier.image.jpeg_entropy"]

with atheris.instrument_imports(include=["classifier"], exclude=NOT_TRACED):
    import targets

# A refusal that takes longer, or memory beyond, is a finding as much as a crash is.
LIMITS = ["-timeout=5", "-rss_limit_mb=2048", "-max_len=16384"]


def main() -> None:
    if len(sys.argv) < 2 or sys.argv[1] not in targets.TARGETS:
        raise SystemExit(f"usage: fuzz.py {'|'.join(targets.TARGETS)} [options of libFuzzer]")
    name = sys.argv.pop(1)
    findings = Path(tempfile.gettempdir(), f"fuzz-{name}")
    findings.mkdir(exist_ok=True)
    dictionary = f"-dict={HERE / name}.dict"
    folders = [str(findings), str(HERE / "corpus" / name)]
    atheris.Setup(
        [sys.argv[0], *LIMITS, dictionary, *sys.argv[1:], *folders], targets.TARGETS[name]
    )
    atheris.Fuzz()


if __name__ == "__main__":
    main()
