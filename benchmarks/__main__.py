"""`python -m benchmarks [NAME …]`: measure, and print a table in Markdown. `--list` says what there is."""

from __future__ import annotations

import argparse
import importlib
import os
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.figure import Measure, Options, Row
from benchmarks.peers import NoPeer
from benchmarks.report import Report

# In the order of the table: a cell, the speed of the engine, what it endures. Each is a module with `measure`.
FIGURES = (
    "load_ext", "first_token", "decode", "follow_up", "stream",
    "python_cost", "single_stream", "batched", "whole_requests", "logprobs",
    "conversations", "gaps", "cancel", "neighbour", "busy_cell", "memory", "unload", "restart", "same_text",
    "catalogue",
    "faults", "remote_first_token", "first_text", "many_streams",
)  # fmt: skip


def main(arguments: list[str] | None = None) -> None:
    """Measure what is asked for and print the table; a missed goal is said, and is no error."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help="figures to measure; default: all")
    parser.add_argument("--list", action="store_true", help="list the figures")
    parser.add_argument("--full", action="store_true", help="the long runs: more tokens, more quantisations")
    parser.add_argument("--repeats", type=int, help="measure each figure so many times")
    parser.add_argument("--threads", type=int, default=0, help="beside llama.cpp's programs; default: its own choice")
    parser.add_argument("--save", type=Path, metavar="FILE", help="put the rows into the table of this file too")
    asked = parser.parse_args(arguments)
    if asked.list:
        for name in FIGURES:
            print(f"{name:15} {(sys.modules[_measure(name).__module__].__doc__ or '').splitlines()[0]}")
        return
    if unknown := [n for n in asked.names if n not in FIGURES]:
        parser.error(f"there is no figure {unknown[0]!r}; there are {', '.join(FIGURES)}")
    if asked.repeats is not None and asked.repeats < 1:
        parser.error(f"--repeats must be 1 or more; got {asked.repeats}")
    report = Report.of_this_machine()
    with tempfile.TemporaryDirectory(prefix="modelhub-bench-") as folder:
        os.environ |= {"MODELHUB_HOME": folder, "MODELHUB_PLACES": "none", "MODELHUB_PLUGINS": "off"}
        options = Options(asked.full, asked.repeats, Path(folder), asked.threads)
        for name in asked.names or FIGURES:
            began = time.monotonic()
            print(f"measuring {name} …", end=" ", file=sys.stderr, flush=True)
            report.rows[name] = _rows(name, options)
            print(f"{time.monotonic() - began:.0f} s", file=sys.stderr)
            if asked.save:  # after each: what was measured survives a later figure's failure
                report.save(asked.save)
    rows = [row for of_figure in report.rows.values() for row in of_figure]
    print(report.text())
    missed = sum(row.met is False for row in rows)
    print(f"\n{sum(row.met is True for row in rows)} goals met, {missed} missed")


def _measure(name: str) -> Measure:
    measure: Measure = importlib.import_module(f"benchmarks.{name}").measure
    return measure


def _rows(name: str, options: Options) -> list[Row]:
    """The rows of a figure; one that says what is missing where its peer cannot be had."""
    try:
        return _measure(name)(options)
    except NoPeer as missing:
        return [Row(name, "", "skipped", None, str(missing))]


if __name__ == "__main__":
    main()
