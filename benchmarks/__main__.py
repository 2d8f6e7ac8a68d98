"""`python -m benchmarks [NAME …]`: measure, and print a table in Markdown. `--list` says what there is."""

from __future__ import annotations

import argparse
import os
import platform
import sys
import tempfile
import time
from pathlib import Path

from benchmarks import decode, first_token, follow_up, load_ext, stream
from benchmarks.figure import Measure, Options, Row, table

FIGURES: dict[str, Measure] = {
    "load_ext": load_ext.measure,
    "first_token": first_token.measure,
    "decode": decode.measure,
    "follow_up": follow_up.measure,
    "stream": stream.measure,
}


def main(arguments: list[str] | None = None) -> None:
    """Measure what is asked for and print the table; a missed goal is said, and is no error."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help="figures to measure; default: all")
    parser.add_argument("--list", action="store_true", help="list the figures")
    parser.add_argument("--full", action="store_true", help="stream 8,000 tokens in 80 s, not 2,000 in 20 s")
    parser.add_argument("--repeats", type=int, help="measure each figure so many times")
    asked = parser.parse_args(arguments)
    if asked.list:
        for name, measure in FIGURES.items():
            print(f"{name:12} {(sys.modules[measure.__module__].__doc__ or '').splitlines()[0]}")
        return
    if unknown := [n for n in asked.names if n not in FIGURES]:
        parser.error(f"there is no figure {unknown[0]!r}; there are {', '.join(FIGURES)}")
    rows: list[Row] = []
    with tempfile.TemporaryDirectory(prefix="modelhub-bench-") as folder:
        os.environ["MODELHUB_HOME"] = folder
        options = Options(asked.full, asked.repeats, Path(folder))
        for name in asked.names or FIGURES:
            began = time.monotonic()
            print(f"measuring {name} …", end=" ", file=sys.stderr, flush=True)
            rows += FIGURES[name](options)
            print(f"{time.monotonic() - began:.0f} s", file=sys.stderr)
    load = f", load average {os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else ""
    print(f"Python {platform.python_version()}, {platform.machine()}, {os.cpu_count()} cores{load}\n")
    print(table(rows))
    missed = sum(row.met is False for row in rows)
    print(f"\n{sum(row.met is True for row in rows)} goals met, {missed} missed")


if __name__ == "__main__":
    main()
