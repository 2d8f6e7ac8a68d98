"""A progress bar: one output of a cell, updated in place; a line in a terminal; nothing where outputs are compared."""

from __future__ import annotations

import html
import os
import sys
import time
from typing import Any

from modelhub.nbext.live import in_kernel
from modelhub.nbext.markdown import displayable

EVERY = 0.2  # seconds between two showings


class ProgressBar:
    """Shows how much is done of something. `MODELHUB_STREAM=final` leaves the end alone."""

    def __init__(self, after: float = 0.0) -> None:
        """Nothing is shown yet, and nothing but the end for `after` seconds."""
        self._kernel = in_kernel()
        self.only_end = os.environ.get("MODELHUB_STREAM") == "final"
        self._quiet = self.only_end or not (self._kernel or sys.stdout.isatty())
        self._handle: Any = None
        self._width, self._shown = 0, ("", time.monotonic() + after - EVERY)

    def show(self, part: float | None, line: str) -> None:
        """Show `part`, 0 to 1 or None where it is not known, and a line of text; seldom enough for any front end."""
        now = time.monotonic()
        if self._quiet or line == self._shown[0] or now - self._shown[1] < EVERY:
            return
        self._shown = (line, now)
        line = displayable(line)
        if not self._kernel:
            sys.stdout.write("\r" + line.ljust(self._width))
            sys.stdout.flush()
            self._width = len(line)
            return
        value = "" if part is None else f' value="{part:.4f}"'
        bar = f'<progress max="1"{value} style="width:20em;vertical-align:middle"></progress> {html.escape(line)}'
        self._display({"text/plain": line, "text/html": f"<div>{bar}</div>"})

    def finish(self, line: str) -> None:
        """Put the last line in the bar's place; an empty one takes the bar away."""
        line = displayable(line)
        if self._kernel:
            if line or self._handle is not None:
                self._display(
                    {"text/plain": line, **({"text/html": f"<div>{html.escape(line)}</div>"} if line else {})}
                )
            return
        if self._width:
            sys.stdout.write("\r" + " " * self._width + "\r")
            self._width = 0
        if line:
            sys.stdout.write(line + "\n")
        sys.stdout.flush()

    def _display(self, data: dict[str, str]) -> None:
        if self._handle is not None:
            self._handle.update(data, raw=True)
            return
        from IPython.display import display

        self._handle = display(data, raw=True, display_id=True)
