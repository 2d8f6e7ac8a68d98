"""The flags of a magic: what is parsed, what is left as it was typed, and what is refused in one line."""

from __future__ import annotations

from typing import Any

import pytest

from modelhub.errors import BadRequest
from modelhub.magics.chat import HELP, LOGPROBS, OPTIONS
from modelhub.magics.models.loading import LOAD
from modelhub.magics.options import parse, parse_around


def values(line: str) -> dict[str, Any]:
    return parse(line, OPTIONS, "%%chat")[0]


def tail(line: str) -> str:
    return parse(line, OPTIONS, "%%chat")[1]


@pytest.mark.parametrize(
    ("line", "wanted"),
    [
        ("-m tiny-chat", {"model": "tiny-chat"}),
        ("--model 'my models/a b.gguf'", {"model": "my models/a b.gguf"}),
        ("-s 'Be brief.'", {"system": "Be brief."}),
        ('--system ""', {"system": ""}),
        ("-t 0", {"temperature": 0.0}),
        ("--temperature=1.5", {"temperature": 1.5}),
        ("--top-p 0.9", {"top_p": 0.9}),
        ("--top-k 0", {"top_k": 0}),
        ("--min-p=.05", {"min_p": 0.05}),
        ("--max-tokens 12", {"max_tokens": 12}),
        ("--seed 0", {"seed": 0}),
        ("--seed -3", {"seed": -3}),
        ("--stop END --stop 'two words'", {"stop": ["END", "two words"]}),
        ("--stop #x --stop=# -t 1", {"stop": ["#x", "#"], "temperature": 1.0}),
        ("--logprobs", {"logprobs": LOGPROBS}),
        ("--logprobs 0", {"logprobs": 0}),
        ("--logprobs=20", {"logprobs": 20}),
        ("--logprobs -t 1", {"logprobs": LOGPROBS, "temperature": 1.0}),
        ("-o n=2 --option user=me", {"option": ["n=2", "user=me"]}),
        ("-o=logit_bias='{\"2\": -100}'", {"option": ['logit_bias={"2": -100}']}),
        ("--chat notes --new", {"chat": "notes", "new": True}),
        ("--set x --format json", {"set": "x", "format": "json"}),
        ("--no-stream --no-interp --dry-run", {"no_stream": True, "no_interp": True, "dry_run": True}),
        ("", {}),
    ],
)
def test_every_flag_gives_its_value(line: str, wanted: dict[str, Any]) -> None:
    """Each flag, in each of its spellings, gives exactly its value; 0 and the empty text are values."""
    assert values(line) == wanted
    for key, value in wanted.items():
        assert type(values(line)[key]) is type(value)


@pytest.mark.parametrize(
    "text",
    [
        "What's up?",
        'She said "no',
        r"C:\new\table and \frac{a}{b}",
        "-5 + 3",
        "- a list",
        "--5 is not a flag",
        "a -t 9 stands behind the text",
        "two  blanks\tand a tab",
        "# no comment",
        '{"a": {"b": [1, 2]}}',
        "größer als 数",
    ],
)
@pytest.mark.parametrize("flags", ["", "-t 0 ", "--logprobs ", "-- "])
def test_text_is_left_as_it_was_typed(text: str, flags: str) -> None:
    """What follows the flags is text, whatever quotes, backslashes and dashes it holds."""
    assert tail(flags + text) == text


def test_two_dashes_end_the_flags() -> None:
    """Behind `--` even a flag is text."""
    assert parse("-t 0 -- --new -t 1", OPTIONS, "%%chat") == ({"temperature": 0.0}, "--new -t 1")
    assert tail("--") == ""


@pytest.mark.parametrize(
    ("line", "parts"),
    [
        ("--temprature 1", ["no flag --temprature", "Did you mean '--temperature'", "%%chat?"]),
        ("--Seed 1", ["no flag --Seed", "'--seed'"]),
        ("-x hello", ["no flag -x"]),
        ("-t0.5", ["no flag -t0.5"]),
        ("-t warm", ["-t needs a number", "'warm'"]),
        ("--seed 1.5", ["--seed needs a whole number", "'1.5'"]),
        ("--top-k=", ["--top-k needs a whole number", "''"]),
        ("--logprobs=many", ["--logprobs needs a whole number", "'many'"]),
        ("-m", ["-m needs MODEL"]),
        ("-t 0 --stop", ["--stop needs TEXT"]),
        ("-t 0 --temperature 1", ["--temperature was given twice"]),
        ("--new=yes", ["--new takes no value", "'yes'"]),
        ("-s 'not closed", ["close the quotation mark"]),
        ("--seed " + "9" * 5000, ["--seed needs a whole number"]),
    ],
)
def test_a_wrong_flag_is_told_in_one_short_line(line: str, parts: list[str]) -> None:
    """A wrong flag or value names what was given and what is wanted, in one line that can be read."""
    with pytest.raises(BadRequest) as raised:
        values(line)
    message = str(raised.value)
    assert all(part in message for part in parts), message
    assert "\n" not in message
    assert len(message) < 250


def test_the_help_lists_every_flag() -> None:
    """Every spelling of every flag stands in the help, beside what it does."""
    for option in OPTIONS:
        row = next(line for line in HELP.splitlines() if line.strip().startswith(option.usage()))
        assert row.endswith(option.help)
    assert "--logprobs [K]" in HELP
    assert "-o, --option NAME=VALUE" in HELP


@pytest.mark.parametrize(
    ("line", "flags", "name"),
    [
        ("tiny-chat", {}, "tiny-chat"),
        ("tiny-chat -c 512 --reload", {"context": 512, "reload": True}, "tiny-chat"),
        ("-c 512 tiny-chat --threads=2", {"context": 512, "threads": 2}, "tiny-chat"),
        ("/my models/a.gguf -c 512", {"context": 512}, "/my models/a.gguf"),
        ('-c 512 "/my models/a -b.gguf" --slots 2', {"context": 512, "slots": 2}, "/my models/a -b.gguf"),
        ("", {}, ""),
    ],
)
def test_flags_stand_before_or_behind_a_name(line: str, flags: dict[str, Any], name: str) -> None:
    """`%models` takes its flags on either side of a name, which may hold blanks."""
    assert parse_around(line, LOAD, "%models load") == (flags, name)


@pytest.mark.parametrize("line", ["-c 1 m -c 2", "'a b' c", "m -c 1 n", "m --contxt 2"])
def test_what_stands_around_a_name_is_checked(line: str) -> None:
    """A flag on both sides, a second name and an unknown flag are refused."""
    with pytest.raises(BadRequest):
        parse_around(line, LOAD, "%models load")
