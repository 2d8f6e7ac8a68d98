"""The magics of plugins: those their packages declare, from the first; those their hooks bring, once they are there."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

KINDS = ("line", "cell")


def register(shell: Any) -> Callable[[], None]:
    """Register them with `shell`; the result takes them away. A name that the shell has already stays as it is."""
    from modelhub.kernels import plugins
    from modelhub.kernels.plugins.declared import declared_magics

    table = shell.magics_manager.magics
    ours: dict[tuple[str, str], Any] = {}

    def add(found: dict[str, Callable[..., Any]], taken: Callable[[str], object]) -> None:
        for name, function in found.items():
            if all(ours.get((kind, name)) is table[kind].get(name) is not None for kind in KINDS):
                continue
            if any(name in table[kind] for kind in KINDS):
                taken(name)
                continue
            for kind in KINDS:
                ours[kind, name] = table[kind][name] = _magic(name, function)

    def brought() -> None:
        add(plugins.registry().things("magics", wait=False), _report)

    add(declared_magics(), lambda name: warnings.warn(f"a plugin's magic {_taken(name)}", stacklevel=2))
    stop = plugins.on_change(brought)

    def undo() -> None:
        stop()
        for (kind, name), function in ours.items():
            if table[kind].get(name) is function:
                del table[kind][name]

    return undo


def _taken(name: str) -> str:
    return f"%{name} is left out: there is one of this name already"


def _report(name: str) -> None:
    """Say it of the plugin that brings it, in `%models plugins`."""
    from modelhub.kernels.plugins import registry

    for plugin in registry().plugins(wait=False):
        line = f"its magic {_taken(name)}"
        if plugin.brought is not None and name in plugin.brought.magics and line not in plugin.problems:
            plugin.problems.append(line)


def _magic(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
    def magic(line: str, cell: str | None = None) -> Any:
        return function(line, cell)

    magic.__name__, magic.__doc__ = name, function.__doc__
    return magic
