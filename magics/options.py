"""The flags of a magic: one table that parses the line, writes the help and completes at Tab.

Flags are flat and come first; what follows them is text and is left exactly as it was typed. Values are split as a
shell would split them.
"""

from __future__ import annotations

import io
import re
import shlex
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from modelhub.errors import BadRequest, did_you_mean

SHOWN = 40  # characters of a wrong value in a message

_FLAG = re.compile(r"--?[A-Za-z]|--$|--\s")
_LATER_FLAG = re.compile(r"\s(?=--?[A-Za-z])")


@dataclass(frozen=True, slots=True)
class Option:
    """One flag.

    flags: its spellings, the long one last. value: what its value is called in the help; None for a switch.
    kind: turns the text into the value. repeat: may be given more than once. default: the value of an optional value
    that was left out; a flag that has one takes the next word only if `kind` accepts it. pair: NAME=VALUE, which may
    also be typed as two words, NAME VALUE. words: what Tab offers for its value.
    """

    flags: tuple[str, ...]
    help: str
    value: str | None = None
    kind: Callable[[str], Any] = str
    repeat: bool = False
    default: Any = None
    name: str = ""
    pair: bool = False
    words: Callable[[], Sequence[str]] | None = None

    @property
    def key(self) -> str:
        """The name of its value among the parsed ones."""
        return self.name or self.flags[-1].lstrip("-").replace("-", "_")

    def usage(self) -> str:
        """How it is typed."""
        shown = f" [{self.value}]" if self.default is not None else f" {self.value}" if self.value else ""
        return ", ".join(self.flags) + shown


def number(text: str) -> float:
    """A finite or infinite number; ranges are the request's to check."""
    return float(text)


def whole(text: str) -> int:
    """A whole number."""
    return int(text)


_KINDS = {number: "a number", whole: "a whole number", str: "a word or a quoted text"}


def parse(line: str, options: Sequence[Option], magic: str) -> tuple[dict[str, Any], str]:
    """The values of the flags at the beginning of `line`, and the text behind them as it was typed.

    Flags not given are not in the values. Raises BadRequest for an unknown flag, which names the nearest one, and for
    a value that is missing or of the wrong kind.
    """
    known = {flag: option for option in options for flag in option.flags}
    values: dict[str, Any] = {}
    rest = line.strip()
    while _FLAG.match(rest):
        word, after = _word(rest, magic)
        if word == "--":
            return values, after
        flag, equals, given = word.partition("=")
        option = known.get(flag)
        if option is None:
            raise BadRequest(
                f"{magic} has no flag {flag}.{did_you_mean(flag, known)} "
                f"Type {magic.split()[0]}? to see them; -- ends the flags before a text that begins with -"
            )
        if option.value is None:
            if equals:
                raise BadRequest(f"{flag} takes no value; got {given!r}")
            value: Any = True
        elif equals:
            value = _convert(option, flag, given)
        else:
            value, after = _next(option, flag, after, magic)
        if option.repeat:
            values.setdefault(option.key, []).append(value)
        elif option.key in values:
            raise BadRequest(f"{flag} was given twice")
        else:
            values[option.key] = value
        rest = after.lstrip()
    return values, rest


def parse_around(line: str, options: Sequence[Option], magic: str) -> tuple[dict[str, Any], str]:
    """The values of flags before and behind a name, and the name; one with blanks in it may be quoted."""
    values, name = parse(line, options, magic)
    if name[:1] in {"'", '"'}:
        name, behind = _word(name, magic)
    else:
        flags = _LATER_FLAG.search(name)
        name, behind = (name[: flags.start()], name[flags.start() :]) if flags else (name, "")
    more, extra = parse(behind, options, magic)
    if extra:
        raise BadRequest(f"{magic} takes one model; got {extra!r} behind {name!r}")
    if twice := values.keys() & more.keys():
        raise BadRequest(f"--{min(twice)} was given twice".replace("_", "-"))
    return values | more, name.strip()


def parse_words(line: str, options: Sequence[Option], magic: str) -> tuple[dict[str, Any], list[str]]:
    """The values of flags, wherever they stand, and the words between them, split as a shell would."""
    values: dict[str, Any] = {}
    words: list[str] = []
    rest = line.strip()
    while rest:
        if _FLAG.match(rest):
            more, rest = parse(rest, options, magic)
            if twice := values.keys() & more.keys():
                raise BadRequest(f"--{min(twice)} was given twice".replace("_", "-"))
            values |= more
        else:
            word, rest = _word(rest, magic)
            words.append(word)
        rest = rest.lstrip()
    return values, words


def help_text(options: Sequence[Option]) -> str:
    """The options as an indented table, one a line."""
    width = max(len(o.usage()) for o in options) + 2
    return "\n".join(f"    {o.usage().ljust(width)}{o.help}" for o in options)


def _next(option: Option, flag: str, rest: str, magic: str) -> tuple[Any, str]:
    """The value in the next word, and what follows it."""
    if option.default is not None:
        if rest.startswith("-"):  # the next flag, or a text such as -5 + 3
            return option.default, rest
        try:
            word, after = _word(rest, magic)
            return option.kind(word), after
        except (BadRequest, ValueError):
            return option.default, rest
    if not rest.strip():
        raise BadRequest(f"{flag} needs {option.value}: {option.help}")
    word, after = _word(rest, magic)
    if option.pair and "=" not in word and after.strip():
        value, after = _word(after, magic)
        word = f"{word}={value}"
    return _convert(option, flag, word), after


def _convert(option: Option, flag: str, text: str) -> Any:
    try:
        return option.kind(text)
    except ValueError:
        shown = repr(text if len(text) <= SHOWN else text[: SHOWN - 1] + "…")
        raise BadRequest(f"{flag} needs {_KINDS.get(option.kind, option.value)}; got {shown}") from None


def _word(text: str, magic: str) -> tuple[str, str]:
    """The first word, split as a shell would, and the text behind it."""
    stream = io.StringIO(text)
    lexer = shlex.shlex(stream, posix=True)
    lexer.whitespace_split, lexer.commenters = True, ""
    try:
        word = lexer.get_token()
    except ValueError as error:
        raise BadRequest(f"{magic}: {str(error).lower()} in {text[:40]!r}; close the quotation mark") from None
    if word is None:
        raise BadRequest(f"{magic}: a word is missing")
    return word, text[stream.tell() :]
