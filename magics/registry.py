"""The magics there are: names, kinds and functions, each of which imports its body when it is first used."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
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
    chat = _cell(shell, "chat")
    both = ("line", "cell")
    return [
        Magic("chat", both, chat, twin="mh"),
        Magic("mh", both, chat),
        Magic("models", ("line",), _line(shell, "models")),
        Magic("chats", ("line",), _line(shell, "chats")),
        Magic("perplexity", both, _cell(shell, "perplexity")),
    ]


def _cell(shell: Any, name: str) -> Callable[..., Any]:
    """A magic for lines and cells: `run(shell, line, cell, magic)` of the module of its name."""

    @no_var_expand  # type: ignore[untyped-decorator]  # IPython ships no types
    def magic(line: str, cell: str | None = None) -> Any:
        from modelhub.magics.question_mark import without_mark

        return _body(name).run(shell, without_mark(line), cell, f"%{name}" if cell is None else f"%%{name}")

    return _described(magic, name)


def _line(shell: Any, name: str) -> Callable[..., Any]:
    """A magic for lines: `run(line)` of the module of its name, with the notebook's variables put in."""

    @no_var_expand  # type: ignore[untyped-decorator]  # IPython ships no types
    def magic(line: str) -> Any:
        from modelhub.magics.interpolate import interpolate

        return _body(name).run(interpolate(line, shell.user_ns, {})[0])

    return _described(magic, name)


def _described(magic: Any, name: str) -> Callable[..., Any]:
    """`magic` with its help, which is read when it is asked for: IPython tries `getdoc` first (oinspect.getdoc)."""
    magic.__name__ = name
    magic.getdoc = lambda: _body(name).HELP
    return magic  # type: ignore[no-any-return]  # a function


def _body(name: str) -> Any:
    return import_module(f"modelhub.magics.{name}")
