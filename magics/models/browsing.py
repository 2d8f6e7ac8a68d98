"""`%models browse`: models that can be fetched."""

from __future__ import annotations

from typing import Any

from modelhub.errors import BadRequest, did_you_mean
from modelhub.magics.models.verb import Verb, plain_text
from modelhub.magics.options import Option, parse_around
from modelhub.magics.table import Table, size_text

BROWSE = (
    Option(("--online",), "search the Hugging Face Hub for repositories with GGUFs"),
    Option(("--state",), "only those in this state: downloadable, downloading or downloaded", "STATE"),
    Option(("--fits",), "only those that fit this machine"),
)
STATES = ("downloadable", "downloading", "downloaded")


def browse(rest: str) -> Table:
    """Well-known models, or what the Hub finds."""
    values, query = parse_around(rest, BROWSE, "%models browse")
    if values.get("online"):
        if values.keys() - {"online"}:
            raise BadRequest("--online searches by words alone; leave out the other flags")
        return _online(query)
    state = values.get("state", "all")
    if state not in ("all", *STATES):
        raise BadRequest(f"--state must be one of {', '.join(STATES)}; got {state!r}.{did_you_mean(state, STATES)}")
    return _well_known(query, state, bool(values.get("fits")))


def _well_known(query: str, state: str, fits: bool) -> Table:
    from modelhub.kernels.catalog.fetching import fit, well_known
    from modelhub.kernels.hub import hub

    machine = fit.machine()
    states = {c.origin: str(c.state) for c in hub().catalog.cards() if c.origin}
    rows, shown = [], []
    for entry in well_known.matching(query):
        verdict = fit.fit(entry.bytes, machine, entry.parameters)
        now = states.get(entry.repository, "downloadable")
        if state not in ("all", now) or (fits and not verdict.good):
            continue
        row: dict[str, Any] = {
            "name": entry.name,
            "size": entry.bytes,
            "fit": verdict.verdict,
            "licence": entry.licence,
            "context": entry.context,
            "can": list(entry.capabilities),
            "state": now,
            "about": entry.about,
            "repository": entry.repository,
        }
        rows.append(row)
        size = size_text(entry.bytes) if entry.size else f"about {size_text(entry.bytes)}"
        shown.append({k: plain_text(v) for k, v in row.items() if k != "repository"} | {"size": size})
    if not rows:
        words = f" {query!r}" if query else ""
        return Table(
            [], [], f"no well-known model fits{words}; %models browse --online {query or 'WORDS'} searches the Hub"
        )
    return Table(rows, shown, "%models pull NAME fetches one; %models pull NAME --list shows its other sizes")


def _online(query: str) -> Table:
    from modelhub.kernels.hub import hub

    found = hub().catalog.downloads.search(query)
    rows = [{"name": r["repository"], **{k: r[k] for k in ("licence", "downloads", "likes", "gated")}} for r in found]
    shown = [
        {k: "" if v is None else plain_text(v) for k, v in row.items()} | {"gated": "yes" if row["gated"] else ""}
        for row in rows
    ]
    note = "%models pull NAME --list shows what is in one" if rows else f"the Hub finds no GGUFs for {query!r}"
    return Table(rows, shown, note)


VERBS = (
    Verb("browse", browse, "[WORDS]", "well-known models that can be fetched: size, licence, fit", BROWSE, words=""),
)
