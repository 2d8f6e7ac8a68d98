"""`%models load`, `unload` and `ps`: what is in memory."""

from __future__ import annotations

from pathlib import Path

from modelhub.errors import BadRequest
from modelhub.magics.models.listing import listing
from modelhub.magics.models.progress_line import ProgressLine
from modelhub.magics.models.verb import Line, Verb, model_name, plain_text
from modelhub.magics.options import Option, number, parse_around, whole
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


def text_of_file(text: str) -> str:
    """What the file called `text` holds. Raises BadRequest when it cannot be read."""
    path = Path(text)
    try:
        return path.expanduser().read_text("utf-8")
    except (OSError, ValueError, RuntimeError) as error:
        why = getattr(error, "strerror", None) or "it is no text"
        raise BadRequest(
            f"--chat-template needs a file with a Jinja template; {text!r} cannot be read ({why})"
        ) from None


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
    Option(("--chat-template",), "a file with a Jinja template, in place of the model's own", "FILE", text_of_file),
    Option(("--reload",), "load it again, also with the parameters it has"),
)


def load(rest: str) -> Table:
    """Load a model, with a progress line, and show that it is there."""
    from modelhub.kernels.hub import hub

    values, name = parse_around(rest, LOAD, "%models load")
    name = model_name(name, "load")
    reload = bool(values.pop("reload", False))
    line = ProgressLine(f"loading {name}")
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

    name = model_name(parse_around(rest, (), "%models unload")[1], "unload")
    return Line(f"{name} was unloaded" if hub().unload(name) else f"{name} was not loaded")


def ps(rest: str) -> Table:
    """What is loaded."""
    from modelhub.kernels.hub import hub

    if rest:
        raise BadRequest(f"%models ps takes nothing more; got {rest!r}")
    rows = hub().status()
    shown = [
        {
            "model": row["model"],
            "state": row["state"],
            "pid": plain_text(row.get("pid", "")),
            "memory": size_text(row.get("memory")),
            "running": plain_text(row.get("running", "")),
            "waiting": plain_text(row.get("waiting", "")),
            "context used": f"{row['held']:,} of {row['cells']:,}" if "held" in row else "",
        }
        for row in rows
    ]
    return Table(rows, shown, "" if rows else "no model is loaded")


VERBS = (
    Verb("load", load, "MODEL", "load it now, with these flags", LOAD),
    Verb("unload", unload, "MODEL", "free its memory"),
    Verb("ps", ps, "", "what is loaded: memory, requests running and waiting", words=""),
)
