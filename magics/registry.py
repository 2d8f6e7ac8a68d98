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
    from modelhub.magics import chats, models

    chat = _chat(shell)
    both = ("line", "cell")
    return [
        Magic("chat", both, chat, twin="mh"),
        Magic("mh", both, chat),
        Magic("models", ("line",), _line("models", _filled(shell, models.run), models.HELP)),
        Magic("chats", ("line",), _line("chats", chats.run, chats.HELP)),
        Magic("perplexity", both, _perplexity(shell)),
    ]


def _chat(shell: Any) -> Callable[..., Any]:
    from modelhub.magics.chat import HELP, ask, run
    from modelhub.magics.question_mark import without_mark

    @no_var_expand  # type: ignore[untyped-decorator]  # IPython ships no types
    def chat(line: str, cell: str | None = None) -> Any:
        return run(shell, ask(shell, without_mark(line), cell, "%chat" if cell is None else "%%chat"))

    chat.__doc__ = HELP
    return chat  # type: ignore[no-any-return]  # the decorator returns what it got


def _perplexity(shell: Any) -> Callable[..., Any]:
    from modelhub.magics.perplexity import HELP, run
    from modelhub.magics.question_mark import without_mark

    @no_var_expand  # type: ignore[untyped-decorator]  # IPython ships no types
    def perplexity(line: str, cell: str | None = None) -> Any:
        return run(shell, without_mark(line), cell, "%perplexity" if cell is None else "%%perplexity")

    perplexity.__doc__ = HELP
    return perplexity  # type: ignore[no-any-return]  # the decorator returns what it got


def _filled(shell: Any, run: Callable[[str], Any]) -> Callable[[str], Any]:
    """`run` with the notebook's variables put in, as `%chat` does."""

    def filled(line: str) -> Any:
        from modelhub.magics.interpolate import interpolate

        return run(interpolate(line, shell.user_ns, {})[0])

    return filled


def _line(name: str, run: Callable[[str], Any], documentation: str) -> Callable[..., Any]:
    @no_var_expand  # type: ignore[untyped-decorator]  # IPython ships no types
    def magic(line: str) -> Any:
        return run(line)

    magic.__name__, magic.__doc__ = name, documentation
    return magic  # type: ignore[no-any-return]  # the decorator returns what it got
