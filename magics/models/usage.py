"""`%models usage`: what this kernel has used, by model."""

from __future__ import annotations

from typing import Any

from modelhub.errors import BadRequest
from modelhub.magics.models.verb import Verb, plain_text
from modelhub.magics.table import Table, without_empty

COUNTS = ("requests", "failed", "prompt_tokens", "cached_tokens", "completion_tokens", "reasoning_tokens")
NAMES = {
    "prompt_tokens": "prompt", "cached_tokens": "of it cached", "completion_tokens": "completion",
    "reasoning_tokens": "of it thinking",
}  # fmt: skip


def usage(rest: str) -> Table:
    """A row for every model that was asked, and one for all of them."""
    from modelhub.kernels.hub import hub

    if rest:
        raise BadRequest(f"%models usage takes nothing more; got {rest!r}")
    found = hub().usage()
    if not found["models"]:
        return Table([], [], "no model was asked in this kernel yet")
    rows = [{"model": name, **one} for name, one in found["models"].items()]
    if len(rows) > 1:
        rows.append({"model": "all", **found["total"]})
    return Table(rows, without_empty([_shown(row) for row in rows]), "\n".join(_notes(found["total"])))


def _shown(row: dict[str, Any]) -> dict[str, str]:
    from modelhub.kernels.usage import Cost, cost_text

    counts = {NAMES.get(name, name): "" if row[name] is None else plain_text(row[name]) for name in COUNTS}
    cost = "" if row["cost"] is None else cost_text(Cost(row["cost"], at_most=row["at_most"]))
    return {"model": row["model"], **counts, "cost": cost}


def _notes(total: dict[str, Any]) -> list[str]:
    """What the columns are, and what is not in them."""
    notes = ["tokens, as the models told them, since this kernel began"]
    if total["cost"] is not None:
        lists = f"the prices of the providers' lists of {', '.join(total['listed'])}" if total["listed"] else ""
        notes.append("cost in US dollars: what replies say" + (f", else tokens times {lists}" if lists else ""))
    if total["at_most"]:
        notes.append("≤: a list has no price for cached tokens, which are counted as the others")
    if missing := total["uncounted"]:
        notes.append(f"not in it: the tokens of {missing} {_requests(missing)}, which nobody told")
    if total["cost"] is not None and (missing := total["unpriced"]):
        notes.append(f"not in it: the cost of {missing} {_requests(missing)}, which nobody states")
    return notes


def _requests(count: int) -> str:
    return "request" if count == 1 else "requests"


VERBS = (Verb("usage", usage, "", "tokens and costs of this kernel, by model", words=""),)
