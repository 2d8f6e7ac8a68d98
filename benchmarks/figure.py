"""What is printed: samples of a quantity, and a row of the final table."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Options:
    """How to measure.

    full: the long runs, as the goals state them; else shorter ones of the same kind.
    repeats: measurements a figure; None is each figure's own number.
    home: a home folder for modelhub that is thrown away afterwards.
    threads: of the worker where it is compared with llama.cpp's own programs, which get as many; 0 is its own choice.
    """

    full: bool
    repeats: int | None
    home: Path
    threads: int = 0

    def times(self, default: int) -> int:
        """How often to measure where `default` times are usual."""
        return default if self.repeats is None else self.repeats


@dataclass(frozen=True)
class Samples:
    """Repeated measurements of one quantity."""

    values: Sequence[float]

    @property
    def median(self) -> float:
        return statistics.median(self.values)

    def over(self, other: Samples) -> Samples:
        """The ratio of each pair: the two were measured in turn, so that noise has hit both alike."""
        return Samples([a / b for a, b in zip(self.values, other.values, strict=True)])

    def show(self, digits: int, unit: str = "") -> str:
        """Median, smallest to largest, and how many."""
        unit = f" {unit}" if unit else ""
        if len(self.values) == 1:
            return f"{self.values[0]:.{digits}f}{unit}"
        low, high = min(self.values), max(self.values)
        return f"{self.median:.{digits}f}{unit} ({low:.{digits}f}–{high:.{digits}f}, n={len(self.values)})"


@dataclass(frozen=True)
class Row:
    """One line of the table. `met` is None where there is no goal: a peer, or what explains a figure."""

    figure: str
    goal: str
    got: str
    met: bool | None
    how: str


Measure = Callable[[Options], list[Row]]
