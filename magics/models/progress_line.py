"""A line of progress that is written over."""

from __future__ import annotations

import sys


class ProgressLine:
    """A line on stdout that is written over; nothing is left of it at the end."""

    def __init__(self, what: str) -> None:
        """`what` stands before the per cent."""
        self._what, self._width = what, 0

    def show(self, part: float) -> None:
        """Show `part`, 0 to 1."""
        text = f"{self._what} {100 * part:.0f} %"
        if part or self._width:
            sys.stdout.write("\r" + text)
            sys.stdout.flush()
            self._width = len(text)

    def clear(self) -> None:
        """Take the line away."""
        if self._width:
            sys.stdout.write("\r" + " " * self._width + "\r")
            sys.stdout.flush()
