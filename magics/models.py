"""`%models`: show, load and free models."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

from modelhub.errors import BadRequest, StoreFailed, did_you_mean
from modelhub.magics.options import Option, help_text, number, parse_around, whole
from modelhub.magics.table import Table, size_text

SWITCH = "on|off|auto"


def whole_or_auto(text: str) -> int | str:
    """A whole number, or "auto"."""
    return text if text == "auto" else int(text)


def on_or_off(text: str) -> bool | str:
    """True, False or "auto"."""
    values: dict[str, bool | str] = {"on": True, "off": False, "auto": "auto"}
    if text not in values:
        raise ValueError(text)
    return values[text]


def numbers(text: str) -> tuple[float, ...]:
    """Numbers with commas between them."""
    return tuple(float(part) for part in text.split(","))


LOAD = (
    Option(
        ("-c", "--context"),
        "tokens a conversation may have, default: what the model was trained for, cut to what fits",
        "auto|N",
        whole_or_auto,
    ),
    Option(("--gpu-layers",), "layers to put on the GPU, default: as many as fit", "auto|N", whole_or_auto),
    Option(("--threads",), "threads, default: the cores that nobody else keeps busy", "auto|N", whole_or_auto),
    Option(("--batch",), "prompt tokens evaluated in one step, default 512", "N", whole),
    Option(
        ("--ubatch",), "prompt tokens computed at once, default 128 or 64, on a GPU as --batch", "auto|N", whole_or_auto
    ),
    Option(("--slots",), "sequences held in memory at once, default 16", "N", whole),
    Option(("--kv-unified",), "one memory for all sequences, or one for each; default: by size", SWITCH, on_or_off),
    Option(
        ("--cells",), "tokens all sequences hold together where they share, default: one context and spare", "N", whole
    ),
    Option(
        ("--flash-attn",), "flash attention, default auto: on a GPU where it can, on a CPU for large weights", SWITCH
    ),
    Option(("--cache-type-k",), "how keys are kept: f32, f16 (default), bf16, q8_0, q5_1 … q4_0, iq4_nl", "TYPE"),
    Option(("--cache-type-v",), "how values are kept; quantised ones need flash attention", "TYPE"),
    Option(("--mmap",), "map the file, default: where that does not keep the weights twice", SWITCH, on_or_off),
    Option(("--mlock",), "keep the weights from being swapped out"),
    Option(("--split-mode",), "how GPUs share a model, default layer", "layer|row|none"),
    Option(("--main-gpu",), "the GPU that is used with --split-mode none, default 0", "N", whole),
    Option(
        ("--tensor-split",), "what part of the model each GPU takes, as 3,1; default: by free memory", "A,B", numbers
    ),
    Option(("--rope-scaling",), "none, linear or yarn, default: what the file says", "KIND"),
    Option(("--rope-freq-base",), "default: what the file says", "X", number),
    Option(("--rope-freq-scale",), "default: what the file says", "X", number),
    Option(
        ("--yarn-orig-ctx",), "context the model was trained for before YaRN, default: what the file says", "N", whole
    ),
    Option(("--reload",), "load it again, also with the parameters it has"),
)
SHOW = (Option(("--params",), "what the engine does with each field of a request"),)
VERBS = ("list", "show", "load", "unload", "default", "ps")

HELP = f"""Show, load and free models.

    %models                     every model there is
    %models show MODEL          all that is known about one
    %models load MODEL          load it now, with these flags:
{help_text(LOAD)}
    %models unload MODEL        free its memory
    %models default [MODEL]     the model %%chat asks when none is named
    %models ps                  what is loaded: memory, requests running and waiting

    %models show MODEL --params  {SHOW[0].help}

MODEL is a name of %models or the path of a .gguf file. The tables are values: t = %models, then t[0]["name"].
"""


def run(line: str) -> Any:
    """Do what the line says. Raises HubError."""
    verb, _, rest = line.strip().partition(" ")
    if verb in {"", "list", "ps"} and rest.strip():
        raise BadRequest(f"%models {verb} takes nothing more; got {rest.strip()!r}")
    if not verb or verb == "list":
        return listing()
    if verb not in VERBS:
        raise BadRequest(
            f"%models has no {verb!r}.{did_you_mean(verb, VERBS)} There are {', '.join(VERBS)}; "
            "type %models? to see more"
        )
    if verb == "ps":
        return ps()
    actions: dict[str, Callable[[str], Any]] = {"show": show, "load": load, "unload": unload, "default": default}
    return actions[verb](rest.strip())


def listing() -> Table:
    """A row for every model."""
    from modelhub.kernels.hub import hub

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
            "state": engine.state if engine else "downloaded",
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
    card = hub().catalog.find(_name(name, "show"))
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
        "state": engine.state, **{f"loaded {k}": v for k, v in engine.loaded.items()},
    }  # fmt: skip
    known = {k: v for k, v in facts.items() if v is not None and v != []}
    shown = {k: _text(v) for k, v in known.items()} | {"size": size_text(card.size)}
    return Table(
        [{"what": k, "value": v} for k, v in known.items()], [{"what": k, "value": v} for k, v in shown.items()]
    )


def load(rest: str) -> Table:
    """Load a model, with a progress line, and show that it is there."""
    from modelhub.kernels.hub import hub

    values, name = parse_around(rest, LOAD, "%models load")
    name = _name(name, "load")
    reload = bool(values.pop("reload", False))
    line = _ProgressLine(f"loading {name}")
    try:
        engine = hub().load(name, line.show, reload=reload, **values)
    finally:
        line.clear()
    table = listing()
    pairs = [(r, s) for r, s in zip(table.rows, table._shown, strict=True) if r["name"] == engine.card.id]
    notes = engine.loaded.get("notes") or []
    return Table([r for r, _ in pairs], [s for _, s in pairs], "\n".join(notes))


def unload(rest: str) -> str:
    """Free a model's memory."""
    from modelhub.kernels.hub import hub

    name = _name(parse_around(rest, (), "%models unload")[1], "unload")
    return Line(f"{name} was unloaded" if hub().unload(name) else f"{name} was not loaded")


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


def ps() -> Table:
    """What is loaded."""
    from modelhub.kernels.hub import hub

    rows = hub().status()
    shown = [
        {
            "model": row["model"],
            "state": row["state"],
            "pid": _text(row.get("pid", "")),
            "memory": size_text(row.get("memory")),
            "running": _text(row.get("running", "")),
            "waiting": _text(row.get("waiting", "")),
            "context used": f"{row['held']:,} of {row['cells']:,}" if "held" in row else "",
        }
        for row in rows
    ]
    return Table(rows, shown, "" if rows else "no model is loaded")


class Line(str):
    """A line that is shown without quotation marks."""

    __slots__ = ()

    def __repr__(self) -> str:
        return str(self)


class _ProgressLine:
    """A line on stdout that is written over; nothing where output is read by programs."""

    def __init__(self, what: str) -> None:
        self._what, self._width = what, 0

    def show(self, part: float) -> None:
        text = f"{self._what} {100 * part:.0f} %"
        if part or self._width:
            sys.stdout.write("\r" + text)
            sys.stdout.flush()
            self._width = len(text)

    def clear(self) -> None:
        if self._width:
            sys.stdout.write("\r" + " " * self._width + "\r")
            sys.stdout.flush()


def _name(text: str, verb: str) -> str:
    if not text.strip():
        raise BadRequest(f"%models {verb} needs the name of a model; type %models to see them")
    return text.strip()


def _text(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(map(_text, value))
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) and value >= 10_000 else str(value)
