"""`%load_ext modelhub` and `%unload_ext modelhub`: what is registered with the shell, and its exact undoing.

Loading registers and imports nothing heavy: no pydantic, no widgets, no store. A magic imports what it needs when it is
first used.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

from modelhub.magics.async_cell import NAMES, AsyncCells
from modelhub.magics.cells import Cells
from modelhub.magics.question_mark import keep_questions

_STATE = "_modelhub_extension"


class Extension:
    """What one `%load_ext` changed, and how to change it back."""

    def __init__(self, shell: Any) -> None:
        """Register everything with `shell`."""
        self.shell = shell
        self.cells = Cells()
        self._undo: list[Callable[[], object]] = []
        owned = self._magics()
        self._events()
        self._transformers(owned)
        self._completer()
        from modelhub.magics import formatters, plugin_magics

        self._undo.append(formatters.register(shell))
        self._undo.append(plugin_magics.register(shell))

    def undo(self) -> None:
        """Give the shell back as it was."""
        for undo in reversed(self._undo):
            undo()

    def _magics(self) -> tuple[str, ...]:
        """Register the magics; the names of the cell magics that are ours and can be awaited."""
        from modelhub.magics import registry

        table = self.shell.magics_manager.magics
        owned = []
        for magic in registry.magics(self.shell):
            for kind in magic.kinds:
                before = table[kind].get(magic.name)
                if before is not None and magic.twin:
                    warnings.warn(
                        f"another extension owns {'%%' if kind == 'cell' else '%'}{magic.name}; it keeps it. "
                        f"Use {'%%' if kind == 'cell' else '%'}{magic.twin}, which is the same",
                        stacklevel=2,
                    )
                    continue
                table[kind][magic.name] = magic.function
                self._undo.append(_restorer(table[kind], magic.name, before))
                if kind == "cell" and magic.name in NAMES:
                    owned.append(magic.name)
        return tuple(owned)

    def _events(self) -> None:
        handlers = {
            "pre_run_cell": self.cells.before,
            "pre_execute": self.cells.executing,
            "post_execute": self.cells.executed,
            "post_run_cell": self.cells.after,
        }
        for name, handler in handlers.items():
            self.shell.events.register(name, handler)
            self._undo.append(lambda name=name, handler=handler: self.shell.events.unregister(name, handler))  # type: ignore[misc]  # bound by default

    def _transformers(self, names: tuple[str, ...]) -> None:
        transforms = self.shell.input_transformers_cleanup
        transforms.append(keep_questions)
        self._undo.append(lambda: transforms.remove(keep_questions))
        # A terminal asks the transformers whether a cell is complete, and one `await` always is: there the plain
        # magic stays, so that a prompt can have several lines.
        if not hasattr(self.shell, "kernel"):
            return
        transformer = AsyncCells(self.shell, self.cells, names)
        transforms.append(transformer)
        self._undo.append(lambda: transforms.remove(transformer))

    def _completer(self) -> None:
        from modelhub.magics.completer import matcher

        matchers = getattr(self.shell.Completer, "custom_matchers", None)
        if matchers is not None:
            match = matcher()
            matchers.append(match)
            self._undo.append(lambda: matchers.remove(match))


def load(shell: Any) -> None:
    """Register modelhub with `shell`; once."""
    if getattr(shell, _STATE, None) is None:
        setattr(shell, _STATE, Extension(shell))


def unload(shell: Any) -> None:
    """Give `shell` back as it was, and free every model."""
    extension = getattr(shell, _STATE, None)
    if extension is None:
        return
    extension.undo()
    delattr(shell, _STATE)
    import sys

    if "modelhub.nbext.live" in sys.modules:
        sys.modules["modelhub.nbext.live"].close_widgets()
    if "modelhub.kernels.hub" in sys.modules:
        from modelhub.kernels.hub import hub

        hub().close()


def cells_of(shell: Any) -> Cells | None:
    """The watcher of the shell's cells while modelhub is loaded."""
    extension = getattr(shell, _STATE, None)
    return None if extension is None else extension.cells


def _restorer(table: dict[str, Any], name: str, before: Any) -> Callable[[], object]:
    def restore() -> None:
        if before is None:
            table.pop(name, None)
        else:
            table[name] = before

    return restore
