"""The progress of what a verb waits for, shown while it lasts."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

QUICK = 0.3  # seconds in which what is done needs no bar


@contextmanager
def progress(what: str) -> Iterator[Callable[[float], None]]:
    """Give a function to be called with the part done, 0 to 1; its bar says `what`, and is gone at the end."""
    from modelhub.nbext.progress import ProgressBar

    bar = ProgressBar(after=QUICK)
    try:
        yield lambda part: bar.show(part, f"{what}: {100 * part:.0f} %")
    finally:
        bar.finish("")
