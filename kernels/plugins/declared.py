"""Magics that packages declare in their metadata: known by name from the first, imported when they are first used."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Callable
from typing import Any

from modelhub.errors import HubError, PluginFailed
from modelhub.kernels.plugins import wanted

GROUP = "modelhub.magics"


def declared_magics() -> dict[str, Callable[..., Any]]:
    """A function for every entry point of the group, by name: called with the line and the cell's text or None.

    It imports what the entry point names when it is called. Raises PluginFailed where that cannot be imported.
    """
    allowed = wanted()
    found: dict[str, Callable[..., Any]] = {}
    if allowed == set():
        return found
    for entry in importlib.metadata.entry_points(group=GROUP):
        package = entry.dist.name if entry.dist is not None else ""
        if (allowed is None or allowed & {entry.name, package}) and entry.name.isidentifier():
            found.setdefault(entry.name, _later(entry, package))
    return found


def _later(entry: importlib.metadata.EntryPoint, package: str) -> Callable[..., Any]:
    def magic(line: str, cell: str | None = None) -> Any:
        try:
            function = entry.load()
        except (KeyboardInterrupt, HubError):
            raise
        except BaseException as error:  # SystemExit too: a plugin does not end the kernel
            said = " ".join(str(error).split())
            raise PluginFailed(
                f"the magic {entry.name} of {package} cannot be imported: {type(error).__name__}: {said}",
                plugin=package,
            ) from error
        return function(line, cell)

    magic.__name__ = entry.name
    magic.__doc__ = f"A magic of the package {package}: {entry.value}."
    return magic
