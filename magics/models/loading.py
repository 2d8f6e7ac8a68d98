"""`%models load`, `unload`, `ps`, `ttl` and `budget`: what is in memory, and for how long."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import EllipsisType
from typing import Any

from modelhub.errors import BadRequest
from modelhub.magics.models.listing import listing
from modelhub.magics.models.progress import progress
from modelhub.magics.models.quantities import bytes_of, seconds_of, time_text
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


def switch(text: str) -> bool:
    """True or False. Raises ValueError."""
    return ("off", "on").index(text) == 1


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
    Option(("--keep",), "keep it in memory though it is idle and others need room", "on|off", switch, default=True),
)
UNLOAD = (Option(("--force",), "also while it answers: its answers end"),)


def load(rest: str) -> Table | Line:
    """Load a model, with a progress bar, and show that it is there, with the context it was loaded with."""
    from modelhub.kernels.hub import hub

    values, name = parse_around(rest, LOAD, "%models load")
    name = model_name(name, "load")
    reload = bool(values.pop("reload", False))
    with progress(f"loading {name}") as show:
        engine = hub().load(name, show, reload=reload, **values)
    if engine.kind == "http":
        return Line(f"{engine.card.name} runs at {engine.card.provider}, and nothing is loaded here: %%chat -m {name}")
    table = listing("--state running")
    context = engine.loaded.get("context")
    now = {"context": context}, {"name": engine.card.id, "context": plain_text(context)}
    pairs = zip(table.rows, table._shown, strict=False)  # what is shown ends earlier
    rows, shown = zip(*[(r | now[0], s | now[1]) for r, s in pairs if r["name"] == engine.card.id], strict=True)
    return Table(rows, shown, "\n".join(engine.loaded.get("notes") or []))


def unload(rest: str) -> str:
    """Free a model's memory."""
    from modelhub.kernels.hub import hub

    values, name = parse_around(rest, UNLOAD, "%models unload")
    name = model_name(name, "unload")
    held = hub().unload(name, force=bool(values.get("force")))
    return Line(f"{name} was unloaded" if held else f"{name} was not loaded")


def ps(rest: str) -> Table:
    """What is loaded, and below it the machine."""
    from modelhub.kernels.hub import hub

    if rest:
        raise BadRequest(f"%models ps takes nothing more; got {rest!r}")
    status = hub().system_status()
    rows = status["workers"]
    shown = [
        {
            "model": row["model"],
            "state": row["state"],
            "pid": str(row.get("pid", "")),
            "memory": size_text(row.get("memory")) + (f" + {size_text(g)} GPU" if (g := row.get("gpu_memory")) else ""),
            "running": plain_text(row.get("running", "")),
            "waiting": plain_text(row.get("waiting", "")),
            "context used": f"{row['held']:,} of {row['cells']:,}" if "held" in row else "",
            "idle": time_text(row["idle"]),
            "unloads in": "kept" if row["keep"] else time_text(row["unloads_in"]),
            "loaded with": plain_text(row["load"]),
        }
        for row in rows
    ]
    return Table(rows, shown, ("" if rows else "no model is loaded\n") + machine(status))


def machine(status: Mapping[str, Any]) -> str:
    """A line on the processors, the memory, the GPUs and the disk."""
    cpu, ram, disk = status["cpu"], status["ram"], status["disk"]
    total = ram["total"] if ram["limit"] is None else ram["limit"]
    parts = [
        f"CPU {cpu['percent']:.0f} % of {cpu['logical']} cores",
        f"RAM {size_text(ram['available'])} free of {size_text(total)}, {size_text(ram['used'])} used by this kernel "
        "and its models" + (f", budget {size_text(ram['budget'])}" if ram["budget"] else ""),
    ]
    for gpu in status["gpus"]:
        free = f" {size_text(gpu['free'])} free of {size_text(gpu['total'])}" if gpu["total"] else ""
        parts.append(f"GPU {gpu['description'] or gpu['name']}{free}")
    if not status["gpus"]:
        parts.append("no GPU")
    return "; ".join([*parts, f"disk {size_text(disk['free'])} free"])


def ttl(rest: str) -> str:
    """Show or set how long models stay in memory when they are idle."""
    from modelhub.kernels.hub import hub

    times = hub().residency.idle_times
    *before, last = rest.rsplit(None, 1) or [""]
    seconds = seconds_of(last)
    name = parse_around(rest if seconds is ... else " ".join(before), (), "%models ttl")[1]
    card = hub().catalog.find(name) if name else None
    if not isinstance(seconds, EllipsisType):
        times.set(seconds, card)
    lasts = times.of(card)
    who = name or "a model"
    return Line(
        f"{who} is unloaded when it has been idle for {time_text(lasts)}"
        if lasts is not None
        else f"{who} stays in memory however long it is idle"
    )


def budget(rest: str) -> str:
    """Show or set how much memory all models together may take."""
    from modelhub.kernels.hub import hub

    room = hub().residency.room
    if rest:
        room.budget = None if rest == "auto" else bytes_of(rest)
    size = room.budget
    if size is None:
        return Line("models may take what is free of this machine's memory")
    return Line(f"models may take {size_text(size)} of memory together")


VERBS = (
    Verb("load", load, "MODEL", "load it now, with these flags", LOAD),
    Verb("unload", unload, "MODEL", "free its memory", UNLOAD),
    Verb("ps", ps, "", "what is loaded: memory, requests running and waiting; the machine", words=""),
    Verb("ttl", ttl, "[MODEL] [10m|2h|off]", "when idle models are unloaded: show it, or set it for all or for one"),
    Verb("budget", budget, "[SIZE|auto]", "how much memory models may take together, as 6GB: show or set it", words=""),
)
