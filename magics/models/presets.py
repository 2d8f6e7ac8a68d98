"""`%models derive`, `options`: named ways to ask a model, and what it is asked with when nothing else is said."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from modelhub.errors import BadRequest
from modelhub.kernels.protocol.load_params import LOAD_NAMES, RULES
from modelhub.magics import chat
from modelhub.magics.fields import FLAGS, INSTEAD, add, fields_of
from modelhub.magics.models.loading import LOAD
from modelhub.magics.models.verb import Line, Verb, agreed, flat_fields, model_name, plain_text
from modelhub.magics.options import Option, parse_around, parse_words
from modelhub.magics.table import Table

if TYPE_CHECKING:
    from modelhub.kernels.catalog.card import ModelCard

_LOADING = tuple(o for o in LOAD if o.key in RULES)
DERIVE = (
    Option(("--as",), "the name of the preset", "NAME"),
    *(o for o in chat.OPTIONS if o.key in {*FLAGS, "option"}),
    Option(("-s", "--system"), "its system message", "SYSTEM"),
    *_LOADING,
    Option(("--force",), "also where the name is taken"),
)
OPTIONS = (Option(("--remove",), "forget the option NAME; without one, all of them"),)


def derive(rest: str) -> Table:
    """Make a preset of a model or of a preset, and show what it says and where it is."""
    from modelhub.kernels.hub import hub

    values, base = parse_around(rest, DERIVE, "%models derive")
    base, name = model_name(base, "derive"), values.pop("as", None)
    if name is None:
        raise BadRequest("%models derive needs a name for the preset: %models derive MODEL --as NAME")
    own = chat.own_options(base) if values.get("option") else None
    preset = hub().catalog.derive(
        base,
        as_=name,
        request=fields_of(values, own),
        load={o.key: values[o.key] for o in _LOADING if o.key in values},
        system=values.get("system"),
        force=bool(values.get("force")),
    )
    says = {"name": preset.name, "model": preset.model, **flat_fields(preset.request), **preset.load}
    return _table(says | ({"system": preset.system} if preset.system else {}), f"written to {preset.path}")


def delete_preset(name: str, sure: bool) -> str:
    """Delete a preset's file, after asking unless `sure`; its model stays. `%models delete` calls it."""
    from modelhub.kernels.hub import hub

    catalog = hub().catalog
    if not sure:
        files = ", ".join(p.path for p in catalog.presets() if p.name == name and p.path)
        otherwise = f"{name} is a preset, in {files}, and this front end cannot be asked; type %models delete {name} "
        if not agreed(f"delete the preset {name} ({files})", otherwise + "--yes"):
            return Line("nothing was deleted")
    gone = catalog.remove_preset(name)
    return Line(f"the preset {name} was deleted, and its model stays: {', '.join(gone)}")


def options(rest: str) -> Table:
    """Show, set or forget what a model is asked and loaded with by default."""
    from modelhub.kernels.hub import hub

    catalog = hub().catalog
    values, words = parse_words(rest, OPTIONS, "%models options")
    remove = bool(values.get("remove"))
    if not words and not remove:
        return _everything()
    named = catalog.resolve(model_name(words[0] if words else "", "options"))
    if named.preset is not None:
        preset = catalog.preset(named.preset)
        raise BadRequest(
            f"{named.preset} is a preset, and what it says stands in {preset.path if preset else 'its file'}; "
            f"change it there, or derive it anew: %models derive {named.preset} --as {named.preset} --force"
        )
    card = named.card
    if remove:
        if len(words) > 2:
            raise BadRequest("%models options MODEL NAME --remove forgets one option; without NAME all of them")
        held = catalog.options.remove(card, words[1] if len(words) > 1 else None)
    elif len(words) == 1:
        held = catalog.options.of(card)
    else:
        held = catalog.options.set(card, _given(card, words[1:]))
    return _table({**flat_fields(held["request"]), **held["load"]}, f"{card.id} has no options of yours", always=False)


def _everything() -> Table:
    """A row for every model that has options."""
    from modelhub.kernels.hub import hub

    held = hub().catalog.options
    rows = [{"model": name, "options": {**flat_fields(o["request"]), **o["load"]}} for name, o in held.all().items()]
    none = [] if rows else ["no model has options of yours: %models options MODEL NAME VALUE sets one"]
    shown = [{k: plain_text(v) for k, v in r.items()} for r in rows]
    return Table(rows, shown, "\n".join([*none, *held.problems]))


def _given(card: ModelCard, words: list[str]) -> dict[str, Any]:
    """`NAME VALUE` pairs, or NAME=VALUE."""
    kinds = {o.key: o for o in _LOADING}
    given: dict[str, Any] = {}
    own = chat.own_options(card.name)
    rest = list(words)
    while rest:
        name, equals, text = rest.pop(0).partition("=")
        if not equals:
            if not rest:
                raise BadRequest(f"%models options needs a value behind {name}, as in {name} 0.7")
            text = rest.pop(0)
        load = LOAD_NAMES.get(name)
        if load is None:
            if name in INSTEAD:
                raise BadRequest(f"a model has no option {name}: {INSTEAD[name]}", param=name)
            add(given, name, text, own)
            continue
        option = kinds[load]
        try:
            given[load] = option.kind(text) if option.value is not None else _switch(text)
        except ValueError:
            raise BadRequest(f"{load} needs {option.value or 'on|off'}; got {text!r}", param=load) from None
    return given


def _switch(text: str) -> bool:
    values = {"on": True, "true": True, "off": False, "false": False}
    if text.lower() not in values:
        raise ValueError(text)
    return values[text.lower()]


def _table(values: dict[str, Any], note: str, always: bool = True) -> Table:
    rows = [{"what": k, "value": v} for k, v in values.items()]
    shown = [{"what": k, "value": "the engine's default" if v is None else plain_text(v)} for k, v in values.items()]
    return Table(rows, shown, note if always or not rows else "")


VERBS = (
    Verb("derive", derive, "MODEL --as NAME", "a preset: a name for a model with settings of its own", DERIVE),
    Verb("options", options, "[MODEL [NAME VALUE]]", "what a model is asked and loaded with by default", OPTIONS),
)
