"""`%%chat` and `%chat`: from the text of a cell to a response on the screen."""

from __future__ import annotations

import json
import keyword
from collections import ChainMap
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from modelhub.errors import BadRequest, HubError, did_you_mean
from modelhub.magics.fields import fields_of
from modelhub.magics.options import SHOWN, Option, help_text, number, parse, whole

if TYPE_CHECKING:
    from modelhub.kernels.hub import Prepared
    from modelhub.kernels.response import Response
    from modelhub.nbext.live import View

LOGPROBS = 5  # alternatives a token, where --logprobs names no number

OPTIONS = (
    Option(("-m", "--model"), "the model to ask: a name of %models, or the path of a .gguf file", "MODEL"),
    Option(("-s", "--system"), "a system message; the conversation keeps it", "SYSTEM"),
    Option(("-t", "--temperature"), "0 (greedy) to 2, default 1", "T", number),
    Option(("--top-p",), "draw from the smallest set this probable, 0 to 1, default 1 (off)", "P", number),
    Option(("--top-k",), "draw from the K most probable, default 0 (off)", "K", whole),
    Option(("--min-p",), "leave out what is less than P times as probable as the best, default 0 (off)", "P", number),
    Option(("--max-tokens",), "the most tokens of the answer, default: until the context is full", "N", whole),
    Option(("--seed",), "a whole number that makes the draw repeatable", "S", whole),
    Option(("--stop",), "end the answer before this text; may be repeated", "TEXT", repeat=True),
    Option(("--logprobs",), f"show token probabilities with K alternatives, 0 to 20, default {LOGPROBS}", "K", whole,
           default=LOGPROBS),
    Option(("-o", "--option"), "any other field of the request; may be repeated", "NAME=VALUE", repeat=True,
           pair=True),
    Option(("--chat",), "the conversation to go on with", "NAME"),
    Option(("--new",), "begin a new conversation"),
    Option(("--continue",), "go on with the last answer, where it broke off, was stopped or reached its limit"),
    Option(("--set",), "put the answer's text into this variable (parsed with --format json)", "VAR"),
    Option(("--format",), "how to show the answer: md, text, json, code or raw; default md", "FORMAT"),
    Option(("--no-stream",), "show the answer when it is complete"),
    Option(("--no-interp",), "send {{name}} as it stands"),
    Option(("--dry-run",), "show the request and do not send it"),
)  # fmt: skip

HELP = f"""Ask a language model.

    %%chat [flags]
    What is the capital of France?

    %chat [flags] What is the capital of France?

The answer streams into the cell and is its value (Out[n], a Response). Conversations are remembered: a cell goes on
where the last one ended, and running a cell again replaces its own turn. {{{{name}}}} puts in the value of a variable,
{{{{In[3]}}}}, {{{{Out[3]}}}} and {{{{Err[3]}}}} the input, value and error of cell 3. %%mh is the same magic by a name
that collides with nothing. See also %models and %chats.

-o NAME VALUE works too; values are JSON, Python literals or text, a list grows with each -o, biases may be written
2435:-100,640:-100, and null sets back what the model's options or a preset say.

{help_text(OPTIONS)}
"""


@dataclass(frozen=True, slots=True)
class Ask:
    """A parsed cell: what to prepare, and how to show it."""

    prepared: Prepared
    form: str
    stream: bool
    dry_run: bool
    variable: str | None


def ask(shell: Any, line: str, body: str | None, magic: str = "%%chat") -> Ask:
    """Parse, interpolate and validate. Changes nothing; raises HubError."""
    from modelhub.kernels.hub import hub
    from modelhub.magics.cells import identity, recorded_errors
    from modelhub.magics.interpolate import interpolate
    from modelhub.nbext.answer import FORMATS

    values, tail = parse(line, OPTIONS, magic)
    text = "\n\n".join(part for part in (tail, (body or "").strip("\n")) if part.strip())
    goes_on = bool(values.get("continue"))
    if goes_on:
        _check_alone(values, text, magic)
    elif not text.strip():
        where = "on the lines below it" if body is not None else "behind the flags"
        raise BadRequest(f"{magic} has nothing to ask: write the question {where}")
    warnings: list[str] = []
    system = values.get("system")
    if not values.get("no_interp"):
        # In as it was typed: IPython's own holds what its transformers made of it.
        names = ChainMap({"In": shell.history_manager.input_hist_raw}, shell.user_ns)
        text, warnings = interpolate(text, names, recorded_errors(shell))
        if system is not None:
            system, more = interpolate(system, names, recorded_errors(shell))
            warnings += more
    form = values.get("format", "md")
    if form not in FORMATS:
        raise BadRequest(f"--format must be one of {', '.join(FORMATS)}; got {form!r}.{did_you_mean(form, FORMATS)}")
    variable = values.get("set")
    if variable is not None and (not variable.isidentifier() or keyword.iskeyword(variable)):
        raise BadRequest(f"--set needs the name of a variable; got {variable!r}")
    dry = bool(values.get("dry_run"))
    cell = identity(shell, count=not dry)
    the_hub = hub()
    conversation = the_hub.conversations.choose(values.get("chat"), bool(values.get("new")), cell)
    model = values.get("model")
    fields = fields_of(values, own_options(model) if values.get("option") else None)
    if goes_on:
        prepared = the_hub.prepare_continuation(conversation=conversation, model=model, **fields)
    else:
        prepared = the_hub.prepare(
            text, model=model, system=system, conversation=conversation, cell=cell, warnings=warnings, **fields
        )
    return Ask(prepared, form, not values.get("no_stream"), dry, variable)


def _check_alone(values: dict[str, Any], text: str, magic: str) -> None:
    """Raises BadRequest for what `--continue` cannot have beside it."""
    if shown := " ".join(text.split())[:SHOWN]:
        raise BadRequest(f"{magic} --continue goes on with the last answer and takes no question; got {shown!r}")
    for name in ("new", "system"):
        if values.get(name):
            raise BadRequest(f"--continue goes on with the last answer as it was begun: leave --{name} out")


def run(shell: Any, line: str, body: str | None, magic: str) -> Any:
    """Send, show and return the response, waiting in the calling thread."""
    from modelhub.nbext.live import show

    asked = ask(shell, line, body, magic)
    if asked.dry_run:
        return _dry_run(asked)
    response, view = _start(shell, asked)
    try:
        show(response, view)
    finally:
        _after(shell, asked, response)
    return response


async def run_async(shell: Any, asked: Ask) -> Any:
    """As `run`, leaving the kernel's loop free while the answer comes."""
    from modelhub.nbext.live import show_async

    if asked.dry_run:
        return _dry_run(asked)
    response, view = _start(shell, asked)
    try:
        await show_async(response, view)
    finally:
        _after(shell, asked, response)
    return response


def _start(shell: Any, asked: Ask) -> tuple[Response, View]:
    from modelhub.kernels.hub import hub
    from modelhub.nbext.live import view

    shown = view(asked.form, asked.stream)
    response = hub().run(asked.prepared)
    return response, shown


def _after(shell: Any, asked: Ask, response: Response) -> None:
    """Keep what came: in the variable, and for `Out` also when the cell ends with an error."""
    from modelhub.magics.cells import out_number
    from modelhub.magics.formatters import mark_shown
    from modelhub.nbext.answer import value

    if asked.variable is not None and (response.error is None or response.partial()):
        shell.user_ns[asked.variable] = value(response, asked.form)
    mark_shown(shell, response)
    if response.interrupted:
        number = out_number(shell)
        shell.user_ns["_oh"][number] = shell.user_ns[f"_{number}"] = response


def _dry_run(asked: Ask) -> None:
    """Show the request, and what it becomes for a provider."""
    from IPython.display import display

    from modelhub.kernels.hub import hub
    from modelhub.nbext.markdown import preformatted

    text = json.dumps(asked.prepared.request.to_dict(), indent=2, ensure_ascii=False)
    if (call := hub().call(asked.prepared)) is not None:
        text += f"\n\n{call.method} {call.url}\n{json.dumps(call.body, indent=2, ensure_ascii=False)}"
    display({"text/plain": text, "text/html": preformatted(text)}, raw=True)


def own_options(model: str | None) -> dict[str, Any]:
    """The types of the options a plugin's model has of its own, by name; nothing for other models and wrong names."""
    from modelhub.kernels.hub import hub
    from modelhub.kernels.plugins import registry

    try:
        card = hub().catalog.find(model or hub().default_model)
    except HubError:
        return {}  # the name is told of when it is asked
    if card.engine != "plugin":
        return {}
    return {name: field.annotation for name, field in registry().offer(card.name).model.Options.model_fields.items()}
