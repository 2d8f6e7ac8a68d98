"""How a Response or a Perplexity is shown as the value of a cell: as its bundle, and once in the cell that made it."""

from __future__ import annotations

from typing import Any

from modelhub.magics.cells import out_number

_TYPES = (("modelhub.kernels.response", "Response"), ("modelhub.kernels.perplexity", "Perplexity"))
_SHOWN = "_modelhub_shown_in"


def register(shell: Any) -> Any:
    """Register with the shell's display formatter, importing nothing; what undoes it is returned."""
    formatter = shell.display_formatter.ipython_display_formatter
    for key in _TYPES:
        formatter.deferred_printers[key] = lambda value: show(shell, value)

    def undo() -> None:
        import sys

        for module, name in _TYPES:
            formatter.deferred_printers.pop((module, name), None)
            if loaded := sys.modules.get(module):
                formatter.type_printers.pop(getattr(loaded, name), None)

    return undo


def mark_shown(shell: Any, value: Any) -> None:
    """The running cell has shown `value` already."""
    setattr(value, _SHOWN, out_number(shell))


def show(shell: Any, value: Any) -> None:
    """Display `value`, unless the running cell did."""
    if getattr(value, _SHOWN, None) == out_number(shell):
        if not hasattr(shell, "kernel"):
            print(repr(value))  # behind the Out[n]: that a terminal has written already
        return
    if type(value).__name__ == "Perplexity":
        from modelhub.nbext.perplexity import PerplexityView

        PerplexityView().finish(value)
        return
    from modelhub.nbext.live import show as show_live
    from modelhub.nbext.live import view

    show_live(value, view("md"))
