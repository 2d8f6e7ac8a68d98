"""`%models`, `%models list` and `show`: what there is."""

from __future__ import annotations

import time
from collections import Counter
from typing import TYPE_CHECKING, Any

from modelhub.errors import BadRequest, HubError, did_you_mean
from modelhub.magics.models.provider import provider_names
from modelhub.magics.models.verb import Verb, flat_fields, model_name, plain_text
from modelhub.magics.options import Option, parse_around
from modelhub.magics.table import Table, size_text, without_empty

if TYPE_CHECKING:
    from modelhub.kernels.catalog.card import ModelCard
    from modelhub.kernels.catalog.presets.preset import Preset
    from modelhub.kernels.hub import Hub

SHOWN = 100  # rows at most; the value has all of them
FEW = 10  # models of one provider, where the list is not narrowed: many list hundreds
ROOM = 120  # characters of a place or a preset's settings; `show` has all of them
COLUMNS = ("name", "provider", "size", "quantisation", "context", "state", "memory", "from")
LIST = (
    Option(
        ("--state",), "only those in this state: running, downloaded, downloading, downloadable, remote, …", "STATE"
    ),
    Option(("--from",), "only those of this provider or place", "PLACE", words=provider_names),
    Option(("--all",), "also models of providers that are nightly, dated, retired or for something else than chats"),
)
REMOTE = ("name", "context", "most output", "prompt $", "answer $", "can", "created", "state")
SHOW = (Option(("--params",), "what the engine does with each field of a request"),)


def listing(rest: str = "") -> Table:
    """A row for every model and every preset, those in memory with what they hold."""
    from modelhub.kernels.catalog.states import State
    from modelhub.kernels.hub import hub

    values, query = parse_around(rest, LIST, "%models list")
    wanted, place = values.get("state", "all"), values.get("from")
    if wanted not in (states := ["all", *map(str, State)]):
        raise BadRequest(f"--state must be one of {', '.join(states)}; got {wanted!r}.{did_you_mean(wanted, states)}")
    the_hub = hub()
    the_hub.providers.refresh_due()
    memory: dict[str, int] = {}
    for row in the_hub.status():
        memory[row["model"]] = memory.get(row["model"], 0) + (row.get("memory") or 0)
    cards = the_hub.cards(hidden=bool(values.get("all")))
    rows = [_of_card(the_hub, card, memory.get(card.name)) for card in cards if card.engine != "http"]
    rows += [_of_preset(the_hub, preset) for preset in the_hub.catalog.presets()]  # a provider's thousands come last
    rows += [_of_card(the_hub, card, None) for card in cards if card.engine == "http"]
    rows = [r for r in rows if wanted in ("all", r["state"]) and place in (None, r["provider"], r["from"])]
    rows = [r for r in rows if all(w.lower() in f"{r['name']} {r['from']}".lower() for w in query.split())]
    some = (rows if values or query else _few(rows))[:SHOWN]
    default = the_hub.default_model
    answering = {default} | {_called(c) for c in cards if default in (c.name, c.path)}
    coming = {d.offer.id: d.part for d in the_hub.catalog.downloads.active()}
    shown = [
        {
            **{k: plain_text(v) if v is not None else "" for k, v in row.items()},
            "name": row["name"] + (" *" if row["name"] in answering else ""),
            "state": f"{row['state']} {coming[row['name']]:.0%}" if row["name"] in coming else str(row["state"] or ""),
            "size": size_text(row["size"]),
            "memory": size_text(row["memory"]),
            "from": shortened(row["from"]),
        }
        for row in some
    ]
    if rows and all(_is_listed(r) for r in rows):
        shown = _remote_columns(cards, some, [r["name"] for r in shown])
    priced = ["$: US dollars for a million tokens"] if shown and {"prompt $", "answer $"} & shown[0].keys() else []
    notes = ["* answers when no model is named"] if any(r["name"].endswith(" *") for r in shown) else []
    notes += priced
    if len(rows) > len(some):
        notes.append(f"and {len(rows) - len(some):,} more: %models list WORDS shows those whose names have the words")
    if not rows:
        asked = [query, f"from {place}" if place else "", f"in state {wanted}" if wanted != "all" else ""]
        notes.append(
            _none(the_hub, place or query) or f"no model fits {', '.join(filter(None, asked))}; type %models to see all"
        )
    elif (of := place or query) in the_hub.providers.all() and not values.get("all"):
        notes += _of_list(the_hub, of)
    return Table(rows, shown, "\n".join([*notes, *the_hub.catalog.problems]))


def _few(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """All but what a provider lists beyond its first few."""
    seen: Counter[str] = Counter()
    few = []
    for row in rows:
        seen[row["from"]] += _is_listed(row)
        if not _is_listed(row) or seen[row["from"]] <= FEW:
            few.append(row)
    return few


def _is_listed(row: dict[str, Any]) -> bool:
    """Whether a row is of a provider's list."""
    return bool(row["state"] == "remote" and row["provider"] == row["from"])


def shortened(text: str | None) -> str:
    """As much of a text as a row has room for: a preset may have a chat template."""
    text = " ".join((text or "").split())
    return text if len(text) <= ROOM else text[: ROOM - 2] + " …"


def _of_card(the_hub: Hub, card: ModelCard, memory: int | None) -> dict[str, Any]:
    return {
        "name": _called(card),
        "provider": card.provider,
        "size": card.size,
        "quantisation": card.quantisation,
        "context": card.context_length,
        "state": str(the_hub.state(card)),
        "memory": memory,
        "from": card.source,
    }


def _called(card: ModelCard) -> str:
    """What is typed for a model: its id, and of a provider's its full name."""
    return card.name if card.engine == "http" else card.id


def _remote_columns(cards: list[ModelCard], rows: list[dict[str, Any]], names: list[str]) -> list[dict[str, str]]:
    """Rows of providers' models alone, with what is known of such; a column that says nothing is left out."""
    known = {card.name: card for card in cards}
    shown = []
    for row, name in zip(rows, names, strict=True):
        card = known[row["name"]]
        prices = card.metadata.get("prices", {})
        created = time.strftime("%Y-%m-%d", time.gmtime(card.created)) if card.created else ""
        said = (name, card.context_length, card.metadata.get("most_output"), price(prices.get("prompt")),
                price(prices.get("completion")), list(card.capabilities), created, row["state"])  # fmt: skip
        shown.append({c: plain_text(v) if v not in (None, [], "") else "" for c, v in zip(REMOTE, said, strict=True)})
    return without_empty(shown)


def price(dollars: float | None) -> str:
    """Dollars for a million tokens, for people."""
    return "" if dollars is None else f"{dollars:.4f}".rstrip("0").rstrip(".")


def _none(the_hub: Hub, place: str | None) -> str:
    """Why a provider has no models to show, and what to type; "" where it is no provider."""
    if place not in the_hub.providers.all():
        return ""
    state = the_hub.providers.availability(str(place))
    return f"{place} has no models to show: {state}" + (f"; type {state.command}" if state.command else "")


def _of_list(the_hub: Hub, name: str) -> list[str]:
    """How old a provider's list is, and how many models it has beside those shown."""
    providers = the_hub.providers
    listed = providers.lists.kept(providers.get(name))
    hidden = len(listed.rows) - sum(card.provider == name for card in the_hub.catalog.served())
    notes = [f"and {hidden:,} more, for other uses or not for every day: %models list --all --from {name}"]
    return notes * (hidden > 0) + [f"{name}: {listed.problem} (its list is shown as it was)"] * bool(listed.problem)


def _of_preset(the_hub: Hub, preset: Preset) -> dict[str, Any]:
    """As a model's row, with what its model is; empty where that is gone."""
    try:
        base = _of_card(the_hub, the_hub.catalog.find(preset.model), None)
    except HubError:
        base = dict.fromkeys(COLUMNS)
    settings = {**flat_fields(preset.request), **preset.load}
    said = f"preset of {preset.model}" + (f": {plain_text(settings)}" if settings else "")
    return {**base, "name": preset.name, "size": None, "from": said}


def show(rest: str) -> Table:
    """All that is known about one model or preset, or what its engine does with each field."""
    from modelhub.kernels.asking import rules_of
    from modelhub.kernels.hub import hub
    from modelhub.kernels.protocol.merging import merge

    values, name = parse_around(rest, SHOW, "%models show")
    the_hub = hub()
    named = the_hub.catalog.resolve(model_name(name, "show"))
    card = named.card
    if values.get("params"):
        rules = rules_of(the_hub.resolve(name).card, the_hub.providers).items()
        rows = [{"field": field, "status": rule.status, "note": rule.note} for field, rule in rules]
        return Table(rows, rows)
    loaded = the_hub.engine(name).loaded if card.path else {}
    roles = {f"file ({f.role})": f.path or f.url for f in card.files if f.role != "model"}
    template = None if card.has_template is None else "in the file" if card.has_template else "none: ChatML is used"
    if named.load.get("chat_template"):
        template = "the load parameter chat_template"
    aliases = {**the_hub.catalog.plugin_aliases(wait=False), **the_hub.catalog.user_aliases()}
    said = flat_fields(named.request)
    whence = {k: source for k, (_, source) in merge(named.layers).settings.items() if k in said}
    facts = {
        "preset": named.preset, "name": card.id, "full name": card.name,
        "aliases": [a for a, target in aliases.items() if target == (named.preset or card.name)],
        "file": card.path, **roles,
        "source": card.source, "origin": card.origin, "description": card.description, "kind": card.kind,
        "capabilities": list(card.capabilities), "architecture": card.architecture, "parameters": card.parameters,
        "quantisation": card.quantisation, "size": card.size, "context": card.context_length,
        "licence": card.licence, "chat template": template, "system message": named.system,
        "load parameters": dict(named.load), "request defaults": said, "defaults from": whence,
        **(_of_provider(the_hub, card) if card.engine == "http" else {}),
        "state": str(the_hub.state(card)), **{f"loaded {k}": v for k, v in loaded.items()},
    }  # fmt: skip
    known = {k: v for k, v in facts.items() if v is not None and v not in ("", [], {})}
    sizes = {k: size_text(known[k]) for k in ("size", "loaded size") if known.get(k)}
    shown = {k: plain_text(v) for k, v in known.items()} | sizes
    return Table(
        [{"what": k, "value": v} for k, v in known.items()], [{"what": k, "value": v} for k, v in shown.items()]
    )


def _of_provider(the_hub: Hub, card: ModelCard) -> dict[str, Any]:
    """What is known of a model because a provider lists it."""
    provider = the_hub.providers.all().get(card.provider)
    if provider is None:
        return {}
    state = the_hub.providers.availability(provider.name)
    said, when = card.metadata, card.metadata.get("listed")
    prices = {name: f"${price(dollars)}" for name, dollars in said.get("prices", {}).items()}
    return {
        "title": said.get("title"), "address": provider.base_url, "provider": str(state),
        "what to type": state.command if state.state != "ready" else None,
        "most output": said.get("most_output"), "takes": said.get("takes"), "owned by": card.owned_by,
        "created": time.strftime("%Y-%m-%d", time.gmtime(card.created)) if card.created else None,
        f"prices for a million tokens, as listed on {when}": prices, "listed": when,
        "note": said.get("unlisted") or ("listed no more" if said.get("retired") else None),
        **{f"page of {what}": link for what, link in provider.links.items()},
    }  # fmt: skip


VERBS = (
    Verb("list", listing, "[WORDS]", "every model there is, or those whose names have the words", LIST, words=""),
    Verb("show", show, "MODEL", "all that is known about one", SHOW),
)
