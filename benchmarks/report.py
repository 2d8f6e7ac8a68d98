"""The table of all figures, printed, and kept in a file of the docs."""

from __future__ import annotations

import os
import platform
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path

from benchmarks.figure import Row

HEAD = ["| measure | figure | goal | got: median (range, repeats) | met | how |", "|---|---|---|---|---|---|"]
MARKS = {True: "yes", False: "**no**", None: ""}
TITLE = """# Figures

What `make bench` printed: each figure beside its peer in the same run, as a ratio where machines differ. The first
column is what to type: `make bench FIGURES="batched gaps"`; `FULL=1` takes the long runs. Models have random weights in
the shapes named, written when they are first needed; llama.cpp's own programs are built from the sources of the
installed llama-cpp-python. Peers and whatever explains a figure have no goal.
"""


@dataclass
class Report:
    """Rows of figures, and the machine that they were measured on."""

    machine: str
    rows: dict[str, list[Row]] = field(default_factory=dict)

    @classmethod
    def of_this_machine(cls) -> Report:
        """An empty report."""
        return cls(
            f"{_processor()}, {os.cpu_count()} cores; {platform.system()} {platform.machine()}, "
            f"Python {platform.python_version()}, llama-cpp-python {version('llama_cpp_python')}"
        )

    def text(self) -> str:
        """The machine and the table, in Markdown."""
        return "\n".join([f"Machine: {self.machine}.", "", *HEAD, *self._lines()])

    def save(self, path: Path) -> None:
        """Write the table to a file; rows of other figures that stand there, of the same machine, are kept."""
        kept: dict[str, list[str]] = {}
        if path.exists() and f"Machine: {self.machine}." in (before := path.read_text("utf-8")):
            for line in before.splitlines():
                if line.startswith("| ") and line not in HEAD:
                    kept.setdefault(line[2:].split(" |")[0], []).append(line)
        for name in self.rows:
            kept[name] = self._lines(name)
        lines = [f"Machine: {self.machine}.", "", *HEAD, *(line for of_figure in kept.values() for line in of_figure)]
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("\n".join([TITLE, *lines, ""]), "utf-8")

    def _lines(self, only: str | None = None) -> list[str]:
        return [
            "| " + " | ".join(cell.replace("|", "\\|") for cell in (name, *_cells(row))) + " |"
            for name, rows in self.rows.items()
            for row in rows
            if only in (None, name)
        ]


def _cells(row: Row) -> tuple[str, ...]:
    return (row.figure, row.goal, row.got, MARKS[row.met], row.how)


def _processor() -> str:
    """The processor's name where the system says it (Linux), else its kind."""
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()
