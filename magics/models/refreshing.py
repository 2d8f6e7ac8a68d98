"""`%models refresh`: reading the lists of providers anew."""

from __future__ import annotations

from typing import Any

from modelhub.magics.models.provider import provider_names
from modelhub.magics.models.verb import Line, Verb
from modelhub.magics.options import parse_around
from modelhub.magics.table import Table

SHOWN = 8  # models named in a row; the value has all


def refresh(rest: str) -> Any:
    """Read the list of one provider, or of all in use, and tell what was added and removed."""
    from modelhub.kernels.hub import hub

    _, name = parse_around(rest, (), "%models refresh")
    providers = hub().providers
    done = providers.refresh(name or None)
    if not done:
        return Line(
            "no provider is in use: %models keys set openai keeps a key, %models provider add NAME --base-url URL adds "
            "a server, %models refresh ollama asks one of this machine"
        )
    if name and done[0].error is not None and not done[0].count:
        raise done[0].error
    rows = [
        {"provider": r.provider, "models": r.count, "added": list(r.added), "removed": list(r.removed),
         "problem": r.problem, "seconds": round(r.seconds, 2)}
        for r in done
    ]  # fmt: skip
    shown = [
        {
            "provider": r.provider,
            "models": f"{r.count:,}",
            "added": "all: it is the first list" if r.first else _few(r.added),
            "removed": _few(r.removed),
            "problem": f"{r.problem} (what was there is kept)" if r.problem and r.count else r.problem,
        }
        for r in done
    ]
    if not any(row["problem"] for row in shown):
        shown = [{column: row[column] for column in ("provider", "models", "added", "removed")} for row in shown]
    return Table(rows, shown, "\n".join(note for r in done for note in r.notes))


def _few(names: tuple[str, ...]) -> str:
    more = f" and {len(names) - SHOWN:,} more" if len(names) > SHOWN else ""
    return ", ".join(names[:SHOWN]) + more


VERBS = (
    Verb("refresh", refresh, "[PROVIDER]", "read providers' lists anew: what was added, removed", words=provider_names),
)
