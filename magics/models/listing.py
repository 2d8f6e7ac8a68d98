"""`%models`, `%models list`, `show` and `default`: what there is."""

from __future__ import annotations

from modelhub.errors import BadRequest, StoreFailed
from modelhub.magics.models.verb import Line, Verb, model_name, plain_text
from modelhub.magics.options import Option, parse_around
from modelhub.magics.table import Table, size_text

SHOW = (Option(("--params",), "what the engine does with each field of a request"),)


def listing(rest: str = "") -> Table:
    """A row for every model."""
    from modelhub.kernels.hub import hub

    if rest:
        raise BadRequest(f"%models list takes nothing more; got {rest!r}")
    the_hub = hub()
    engines = {e.card.path: e for e in the_hub.engines()}
    memory = {row["model"]: row.get("memory") for row in the_hub.status()}
    rows, shown = [], []
    for card in the_hub.cards():
        engine = engines.get(card.path)
        row = {
            "name": card.id,
            "provider": card.provider,
            "size": card.size,
            "quantisation": card.quantisation,
            "context": card.context_length,
            "state": str(engine.state if engine else card.state),
            "memory": memory.get(card.name),
        }
        rows.append(row)
        default = the_hub.default_model in (card.id, card.name, card.path)
        shown.append(
            {
                "name": card.id + (" *" if default else ""),
                "provider": card.provider,
                "size": size_text(card.size),
                "quantisation": card.quantisation or "",
                "context": f"{card.context_length:,}" if card.context_length else "",
                "state": str(row["state"]),
                "memory": size_text(memory.get(card.name)),
            }
        )
    problems = the_hub.catalog.problems
    note = "* answers when no model is named" + "".join(f"\n{p}" for p in problems)
    return Table(rows, shown, note)


def show(rest: str) -> Table:
    """All that is known about one model, or what its engine does with each field."""
    from modelhub.kernels.hub import hub
    from modelhub.kernels.protocol.honesty import ENGINES

    values, name = parse_around(rest, SHOW, "%models show")
    card = hub().catalog.find(model_name(name, "show"))
    if values.get("params"):
        rules = ENGINES["local"].items()
        rows = [{"field": field, "status": rule.status, "note": rule.note} for field, rule in rules]
        return Table(rows, rows)
    engine = hub().engine(name)
    facts = {
        "name": card.id, "full name": card.name, "file": card.path, "source": card.source,
        "description": card.description, "architecture": card.architecture, "parameters": card.parameters,
        "quantisation": card.quantisation, "size": card.size, "context": card.context_length,
        "licence": card.licence, "chat template": "in the file" if card.has_template else "none: ChatML is used",
        "state": str(engine.state), **{f"loaded {k}": v for k, v in engine.loaded.items()},
    }  # fmt: skip
    known = {k: v for k, v in facts.items() if v is not None and v != []}
    shown = {k: plain_text(v) for k, v in known.items()} | {"size": size_text(card.size)}
    return Table(
        [{"what": k, "value": v} for k, v in known.items()], [{"what": k, "value": v} for k, v in shown.items()]
    )


def default(rest: str) -> str:
    """Show the default model, or set it."""
    from modelhub.kernels.hub import hub

    the_hub = hub()
    if rest:
        try:
            the_hub.set_default(parse_around(rest, (), "%models default")[1])
        except StoreFailed as problem:
            return Line(f"{the_hub.default_model} answers when no model is named ({problem})")
    return Line(f"{the_hub.default_model} answers when no model is named")


VERBS = (
    Verb("list", listing, "", "every model there is; plain %models does the same", words=""),
    Verb("show", show, "MODEL", "all that is known about one", SHOW),
    Verb("default", default, "[MODEL]", "the model %%chat asks when none is named"),
)
