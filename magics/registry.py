"""The magics there are: names, kinds and functions, each of which imports its body when it is first used."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from IPython.core.magic import no_var_expand


@dataclass(frozen=True, slots=True)
class Magic:
    """A magic; `twin` is the other name of one that may meet another extension's."""

    name: str
    kinds: tuple[str, ...]
    function: Callable[..., Any]
    twin: str = ""


def magics(shell: Any) -> list[Magic]:
    """The magics for `shell`."""
    chat, models, chats = _chat(shell), _models(shell), _chats(shell)
    both = ("line", "cell")
    return [
        Magic("chat", both, chat, twin="mh"),
        Magic("mh", both, chat),
        Magic("models", ("line",), models),
        Magic("chats", ("line",), chats),
    ]


def _chat(shell: Any) -> Callable[..., Any]:
    from modelhub.magics.chat import HELP, ask, run
    from modelhub.magics.question_mark import without_mark

    @no_var_expand  # type: ignore[untyped-decorator]  # IPython ships no types
    def chat(line: str, cell: str | None = None) -> Any:
        return run(shell, ask(shell, without_mark(line), cell, "%chat" if cell is None else "%%chat"))

    chat.__doc__ = HELP
    return chat  # type: ignore[no-any-return]  # the decorator returns what it got


def _models(shell: Any) -> Callable[..., Any]:
    from modelhub.magics.models import HELP, run

    @no_var_expand  # type: ignore[untyped-decorator]  # IPython ships no types
    def models(line: str) -> Any:
        return run(line)

    models.__doc__ = HELP
    return models  # type: ignore[no-any-return]  # the decorator returns what it got


def _chats(shell: Any) -> Callable[..., Any]:
    from modelhub.magics.chats import HELP, run

    @no_var_expand  # type: ignore[untyped-decorator]  # IPython ships no types
    def chats(line: str) -> Any:
        return run(line)

    chats.__doc__ = HELP
    return chats  # type: ignore[no-any-return]  # the decorator returns what it got
