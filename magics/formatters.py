"""How a Response is shown when it is the value of a cell: as its bundle, and not twice in the cell that made it."""

from __future__ import annotations

from typing import Any

from modelhub.magics.cells import out_number

_MODULE, _NAME = "modelhub.kernels.response", "Response"
_SHOWN = "_modelhub_shown_in"


def register(shell: Any) -> Any:
    """Register with the shell's display formatter, importing nothing; what undoes it is returned."""
    formatter = shell.display_formatter.ipython_display_formatter
    key = (_MODULE, _NAME)
    formatter.deferred_printers[key] = lambda response: show(shell, response)

    def undo() -> None:
        formatter.deferred_printers.pop(key, None)
        import sys

        if module := sys.modules.get(_MODULE):
            formatter.type_printers.pop(getattr(module, _NAME), None)

    return undo


def mark_shown(shell: Any, response: Any) -> None:
    """The running cell has shown `response` already."""
    setattr(response, _SHOWN, out_number(shell))


def show(shell: Any, response: Any) -> None:
    """Display `response`, unless the running cell did."""
    if getattr(response, _SHOWN, None) == out_number(shell):
        if not hasattr(shell, "kernel"):
            print(repr(response))  # behind the Out[n]: that a terminal has written already
        return
    from modelhub.nbext.live import show as show_live
    from modelhub.nbext.live import view

    show_live(response, view("md"))
