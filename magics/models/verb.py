"""A verb of `%models`: what is typed, what it does, how it is completed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from modelhub.errors import BadRequest
from modelhub.magics.options import Option
from modelhub.nbext.markdown import displayable


@dataclass(frozen=True, slots=True)
class Verb:
    """One verb.

    run: what it does with the text behind the verb; its value is the magic's. usage: what is typed behind the verb.
    help: one line. options: its flags. words: what Tab offers behind it beside the flags: "models", "" for nothing,
    or a function that gives the words. after: the same, given the words that are behind the verb already.
    """

    name: str
    run: Callable[[str], Any]
    usage: str
    help: str
    options: tuple[Option, ...] = ()
    words: str | Callable[[], list[str]] = "models"
    after: Callable[[list[str]], list[str]] | None = None


class Line(str):
    """A line that is shown without quotation marks."""

    __slots__ = ()

    def __repr__(self) -> str:
        return displayable(self)


def model_name(text: str, verb: str) -> str:
    """The name in `text`. Raises BadRequest when there is none."""
    if not text.strip():
        raise BadRequest(f"%models {verb} needs the name of a model; type %models to see them")
    return text.strip()


def agreed(question: str, otherwise: str) -> bool:
    """Ask the user `question`, to be answered by y or n; an empty answer is no.

    Raises BadRequest with `otherwise`, which says what to type, where the front end cannot be asked.
    """
    try:
        answer = input(f"{question}? [y/N] ")
    except Exception as error:  # StdinNotImplementedError of ipykernel, EOFError of a pipe
        raise BadRequest(otherwise) from error
    return answer.strip().lower() in {"y", "yes"}


def plain_text(value: Any) -> str:
    """A value as a table shows it: large numbers with commas."""
    if isinstance(value, list | tuple):
        return ", ".join(map(plain_text, value))
    if isinstance(value, dict):
        return ", ".join(f"{k}={plain_text(v)}" for k, v in value.items())
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) and value >= 10_000 else str(value)


def flat_fields(request: Any) -> dict[str, Any]:
    """Fields, names of x_modelhub and a plugin's own options beside each other."""
    found = {k: v for k, v in request.items() if k not in {"x_modelhub", "model_options"}}
    for nest in ("x_modelhub", "model_options"):
        found |= flat_fields(request[nest]) if request.get(nest) else {}
    return found
