"""`%models alias`, `default` and `prefer`: other names, the model that answers unasked, and which comes first."""

from __future__ import annotations

from modelhub.errors import BadRequest, HubError, StoreFailed, did_you_mean
from modelhub.magics.models.verb import Line, Verb
from modelhub.magics.options import Option, parse_around, parse_words
from modelhub.magics.table import Table

ALIAS = (Option(("--force",), "also where a model or a preset has the name"),)
PREFER = (
    Option(("--quant",), "quantisations, the best first, as Q4_K_M,Q8_0", "A,B"),
    Option(("--clear",), "no order any more"),
)


def alias(rest: str) -> Table | str:
    """Show, set or remove other names of models."""
    from modelhub.kernels.hub import hub

    catalog = hub().catalog
    values, words = parse_words(rest, ALIAS, "%models alias")
    if words in ([], ["list"]):
        return _aliases()
    if words[0] == "remove":
        if len(words) != 2:
            raise BadRequest("%models alias remove needs one name")
        return Line(f"{words[1]} stood for {catalog.aliases.remove(words[1])}, and is no alias any more")
    if words[0] == "set":
        words = words[1:]
    if len(words) != 2:
        raise BadRequest("%models alias needs a name and a model: %models alias NAME MODEL")
    return Line(f"{words[0]} stands for {catalog.set_alias(words[0], words[1], bool(values.get('force')))}")


def _aliases() -> Table:
    """A row for every alias, the user's first; of plugins those whose models are listed."""
    from modelhub.kernels.hub import hub

    catalog = hub().catalog
    mine = catalog.user_aliases()
    rows = [{"alias": name, "model": target, "from": "you"} for name, target in mine.items()]
    listed = {card.name for card in catalog.cards()}
    theirs = sorted(catalog.plugin_aliases().items())
    rows += [
        {"alias": name, "model": target, "from": "a plugin" + (", hidden by yours" if name in mine else "")}
        for name, target in theirs
        if target in listed
    ]
    for row in rows:
        try:
            catalog.find(row["model"])
        except HubError:
            row["from"] += ", its model is not there"
    notes = [] if rows else ["there are no aliases: %models alias NAME MODEL makes one"]
    if hidden := sum(target not in listed for _, target in theirs):
        notes.append(f"and {hidden} of plugins' models that are not listed, as those without a key")
    return Table(rows, rows, "\n".join([*notes, *catalog.aliases.problems]))


def default(rest: str) -> str:
    """Show the default model, or set it."""
    from modelhub.kernels.hub import hub

    the_hub = hub()
    if rest:
        try:
            the_hub.set_default(parse_around(rest, (), "%models default")[1])
        except StoreFailed as problem:
            return Line(f"{the_hub.default_model} answers when no model is named ({problem})")
    name = the_hub.default_model
    try:
        the_hub.catalog.resolve(name)
    except HubError:
        from modelhub.kernels.hub_models import PACKAGED_MODEL

        return Line(f"{name} is the default and is not there now: {PACKAGED_MODEL} answers when no model is named")
    return Line(f"{name} answers when no model is named")


def prefer(rest: str) -> str:
    """Show or set which providers, places and quantisations come first."""
    from modelhub.kernels import settings
    from modelhub.kernels.catalog.names import preferred, preferred_quantisations
    from modelhub.kernels.hub import hub

    values, words = parse_words(rest, PREFER, "%models prefer")
    places = set(hub().catalog.looked_in()) - {"presets"}
    known = sorted({c.provider for c in hub().cards()} | places | set(hub().providers.all()))
    for word in words:
        if word.lower() not in [k.lower() for k in known]:
            raise BadRequest(
                f"there is no provider and no place {word!r}.{did_you_mean(word, known)} There are {', '.join(known)}; "
                "a quantisation needs --quant before it"
            )
    if values.get("clear"):
        settings.save("prefer", None)
        settings.save("quantisations", None)
    if words:
        settings.save("prefer", words)
    if values.get("quant"):
        settings.save("quantisations", [q.strip() for q in values["quant"].split(",") if q.strip()])
    order, quants = preferred(), preferred_quantisations()
    said = f"{', then '.join(order)} before others" if order else "no order: a name that several models have is refused"
    return Line(f"{said}; of quantisations {', then '.join(quants) if quants else 'the one that came last'}")


VERBS = (
    Verb("alias", alias, "[NAME MODEL | remove NAME]", "another name for a model or a preset; plain: all", ALIAS),
    Verb("default", default, "[MODEL]", "the model %%chat asks when none is named"),
    Verb("prefer", prefer, "[PLACE…]", "which providers, places and quantisations come first", PREFER, words=""),
)
