"""Which cell is running, and the errors of those that ran: what conversations and `{{Err[n]}}` need to know."""

from __future__ import annotations

import hashlib
import traceback
from typing import Any

from modelhub.magics.key_scanner import look

KEPT_ERRORS = 50


class Cells:
    """Watches a shell's cells. One a shell, from `%load_ext` to `%unload_ext`."""

    def __init__(self) -> None:
        """No cell has run yet."""
        self.text = ""
        self.depth = 0  # cells running inside one another, as %run of a notebook and %%capture run them
        self.count = 0  # chats so far in the running cell
        self.errors: dict[int, str] = {}

    @property
    def running(self) -> bool:
        """Whether a cell is running."""
        return self.depth > 0

    def before(self, info: Any) -> None:
        """A cell is about to run; one inside another goes on counting the outer one's chats."""
        if self.depth > 1 and (info.raw_cell or "") in self.text:
            return  # a part of the cell, as %%capture runs it
        look(info)
        if self.depth <= 1:
            self.text = info.raw_cell or ""
            self.count = 0

    def executing(self) -> None:
        """Code begins to run."""
        self.depth += 1

    def executed(self) -> None:
        """Code has ended."""
        self.depth = max(0, self.depth - 1)  # the cell that loads the extension ends without having begun

    def after(self, result: Any) -> None:
        """A cell has run: keep its error, if it had one."""
        error = result.error_before_exec or result.error_in_exec
        if isinstance(error, BaseException) and result.execution_count is not None:
            self.errors[result.execution_count] = "".join(traceback.format_exception(error)).rstrip()
            while len(self.errors) > KEPT_ERRORS:
                del self.errors[next(iter(self.errors))]


def identity(shell: Any, count: bool = True) -> str:
    """What the running cell is known by: the id its front end sends; elsewhere its text.

    The second chat in one cell has an identity of its own, and so on; `count=False` only looks.
    """
    cells = _cells(shell)
    number = cells.count if cells else 0
    if cells and count:
        cells.count += 1
    cell = _cell_id(shell)
    if cell is None:
        text = cells.text if cells else ""
        cell = "text:" + hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()[:16]
    return f"{cell}/{number}" if number else cell


def out_number(shell: Any) -> int:
    """The n of the running cell's Out[n]."""
    # Not execution_count: IPython counts up before the cell runs since 9.18, and behind it before.
    return int(shell.displayhook.prompt_count)


def recorded_errors(shell: Any) -> dict[int, str]:
    """Tracebacks by execution number."""
    cells = _cells(shell)
    return cells.errors if cells else {}


def _cells(shell: Any) -> Cells | None:
    from modelhub.magics.extension import cells_of

    return cells_of(shell)


def _cell_id(shell: Any) -> str | None:
    """The `cellId` in the metadata of the request that runs (JupyterLab, Notebook 7 and VS Code send it)."""
    kernel = getattr(shell, "kernel", None)
    if kernel is None:
        return None
    try:
        parent = kernel.get_parent("shell")
    except (AttributeError, LookupError):
        parent = getattr(shell, "parent_header", {})
    found = (parent or {}).get("metadata", {}).get("cellId")
    return found if isinstance(found, str) and found else None
