"""`%models plugins`: the plugins there are, what they bring, and what is wrong with them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from modelhub.errors import BadRequest, did_you_mean
from modelhub.magics.models.verb import Verb
from modelhub.magics.table import Table

if TYPE_CHECKING:
    from modelhub.kernels.plugins.plugin import Plugin

NONE = (
    "no plugin is installed: pip install one and restart the kernel; to write one see examples/modelhub-parrot of "
    "modelhub's repository"
)


def plugins(rest: str) -> Table:
    """A row for every plugin, or a row for each thing one of them brings."""
    from modelhub.kernels.plugins import registry

    found = registry().plugins()
    if rest:
        names = [p.name for p in found]
        if rest not in names:
            there = f"there are {', '.join(names)}" if names else "there is none"
            raise BadRequest(f"no plugin is called {rest!r}.{did_you_mean(rest, names)} {there[0].upper()}{there[1:]}")
        return _one(found[names.index(rest)])
    rows: list[dict[str, Any]] = [
        {
            "name": plugin.name,
            "package": plugin.package,
            "version": plugin.version,
            "hooks": list(plugin.hooks),
            "models": len(plugin.brought.models) if plugin.brought else 0,
            "state": plugin.state,
            "seconds": plugin.seconds,
            "problems": list(plugin.problems),
        }
        for plugin in found
    ]
    shown = [
        {
            "name": row["name"],
            "version": row["version"],
            "hooks": ", ".join(h.removeprefix("register_") for h in row["hooks"]),
            "models": str(row["models"] or ""),
            "state": row["state"],
            "seconds": "" if row["seconds"] is None else f"{row['seconds']:.2f}",
        }
        for row in rows
    ]
    problems = [f"{row['name']}: {problem}" for row in rows for problem in row["problems"]]
    return Table(rows, shown, "\n".join(problems) if rows else NONE)


def _one(plugin: Plugin) -> Table:
    rows: list[dict[str, Any]] = []
    if plugin.brought is not None:
        for offer in plugin.brought.models.values():
            rows.append({"kind": "model", "name": offer.name, "also": list(offer.aliases)})
        for kind in ("providers", "importers", "tools", "panels", "magics"):
            rows += [{"kind": kind.removesuffix("s"), "name": n, "also": []} for n in getattr(plugin.brought, kind)]
    shown = [{"kind": r["kind"], "name": r["name"], "also called": ", ".join(r["also"])} for r in rows]
    return Table(
        rows, shown, "\n".join(plugin.problems) if plugin.problems or rows else f"{plugin.name} brings nothing"
    )


def names() -> list[str]:
    """The names of the plugins there are, without waiting for them."""
    from modelhub.kernels.plugins import registry

    return [plugin.name for plugin in registry().plugins(wait=False)]


VERBS = (
    Verb("plugins", plugins, "[NAME]", "the plugins that are installed, and what is wrong with them", words=names),
)
