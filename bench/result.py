"""What was measured, how it reads, and the baseline it is held against."""

from __future__ import annotations

import json
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TypeAlias


@dataclass(frozen=True, slots=True)
class Result:
    """CPU microseconds of one request or one bag, over several runs."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, runs: Sequence[float]) -> Result:
        """Sum up *runs*, to a tenth of a microsecond, below ten to a hundredth."""
        figures = (statistics.median(runs), min(runs), max(runs))
        return cls(*(round(figure, _digits(figure)) for figure in figures))


Baseline: TypeAlias = Mapping[str, Result]
"""Results by the name of the case."""

HEADING = f"{'CPU µs per request or bag':28}{'median':>9}{'range':>18}{'to baseline':>14}"


def line(name: str, result: Result, baseline: Baseline) -> str:
    """One line of the table."""
    digits = _digits(result.median)
    spread = f"{result.low:.{digits}f} - {result.high:.{digits}f}"
    known = baseline.get(name)
    ratio = f"{result.median / known.median:.2f}" if known and known.median else "-"
    return f"{name:28}{result.median:9.{digits}f}{spread:>18}{ratio:>14}"


def _digits(figure: float) -> int:
    return 1 if figure >= 10 else 2


def read(path: Path) -> Baseline:
    """Read the baseline at *path*; an absent file is an empty one."""
    if not path.exists():
        return {}
    return {name: Result(**figures) for name, figures in json.loads(path.read_text()).items()}


def write(path: Path, results: Baseline) -> None:
    """Make *results* the baseline; cases that were not measured keep theirs."""
    merged = {**read(path), **results}
    figures = {name: asdict(result) for name, result in merged.items()}
    path.write_text(json.dumps(figures, indent=2) + "\n")
