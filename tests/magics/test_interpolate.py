"""`{{name}}` in a prompt: what is filled in, what passes as it stands, what is refused."""

from __future__ import annotations

import time
from typing import Any

import pytest

from modelhub.errors import BadRequest
from modelhub.kernels.protocol.events import Delta
from modelhub.kernels.protocol.request import ChatRequest
from modelhub.kernels.response import Response
from modelhub.magics.interpolate import interpolate
from tests.kernel import Kernel

NAMES: dict[str, Any] = {
    "x": 5,
    "name": "Ada",
    "größe": "groß",
    "nested": "{{x}} {{In[1]}} \\1 \\g<0>",
    "In": ["", "1 + 1", "%%chat\nhi"],
    "Out": {1: 2},
    "_hidden": 1,
}
ERRORS = {2: "Traceback\nValueError: no"}


def filled(text: str) -> str:
    return interpolate(text, NAMES, ERRORS)[0]


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("{{x}}", "5"),
        ("I am {{ name }}, {{name}}.", "I am Ada, Ada."),
        ("{{größe}}", "groß"),
        ("{{In[1]}} = {{Out[1]}}", "1 + 1 = 2"),
        ("{{In[2]}}", "%%chat\nhi"),
        ("{{Err[2]}}", "Traceback\nValueError: no"),
        (r"\{{x}}", "{{x}}"),
        (r"\{{unknown}} {{x}}", "{{unknown}} 5"),
        (r"\\{{x}}", r"\{{x}}"),
    ],
)
def test_names_are_filled_in(text: str, wanted: str) -> None:
    """A whole name between double braces becomes its value; a backslash in front keeps it."""
    assert filled(text) == wanted


def test_what_was_put_in_is_not_looked_at_again() -> None:
    """A value that holds {{x}} arrives as it is: one pass, no backreferences."""
    assert filled("{{nested}} {{x}}") == NAMES["nested"] + " 5"


def test_a_response_is_its_text() -> None:
    """A Response goes in as what it answered."""
    response = Response(ChatRequest.make(model="m", messages=[{"role": "user", "content": "q"}]))
    response.feed(Delta(0, "Paris", 1, ()))
    assert interpolate("{{r}}", {"r": response}, {})[0] == "Paris"


@pytest.mark.parametrize(
    "text",
    [
        r"\frac{a}{b} and \frac{{a}+{b}}{{c}^2}",
        "{{a+b}} {{1}} {{}} {{ }} {{a b}}",
        '{"a": {"b": {"c": [{"d": 1}]}}}',
        'print(f"{x!r:>{width}} {{literal brace, not closed}")',
        "{% for i in items %}{{- i -}}{% endfor %}",
        "{{ name | upper }} {{ 'x' }} {{#if a}} {{/if}} {{> part}}",
        "{{ .Values.image }} {{ range $i, $e := .Items }} {{- end }}",
        "${{ matrix.os == 'linux' }} {x} { {x} }",
        "{{\nx\n}}",
        "In[1] Out[1] {In[1]} {x}",
    ],
)
def test_code_passes_as_it_stands(text: str) -> None:
    """LaTeX, JSON, f-strings, Jinja and Go templates are sent untouched where they hold no bare name."""
    assert filled(text) == text


@pytest.mark.parametrize("place", ["{{name.upper}}", "{{name.upper()}}", "{{len(name)}}", "{{In[x]}}", "{{ d['k'] }}"])
def test_attributes_and_calls_are_not_evaluated(place: str) -> None:
    """What looks like an expression is sent verbatim, with a warning that says so."""
    text, warnings = interpolate(f"a {place} b", NAMES, ERRORS)
    assert text == f"a {place} b"
    (warning,) = warnings
    assert place in warning
    assert "sent as it stands" in warning


@pytest.mark.parametrize(
    ("place", "parts"),
    [
        ("{{nam}}", ["no variable 'nam'", "Did you mean 'name'", r"\{{nam}}", "--no-interp"]),
        ("{{zzzzzz}}", ["no variable 'zzzzzz'"]),
        ("{{In[9]}}", ["no input", "1 to 2"]),
        ("{{Out[7]}}", ["no value", "there are 1"]),
        ("{{Err[1]}}", ["no error", "there are 2"]),
    ],
)
def test_an_unknown_name_is_refused(place: str, parts: list[str]) -> None:
    """A name or number that is not there is an error with near names and the way out, in one line."""
    with pytest.raises(BadRequest) as raised:
        filled(f"say {place}")
    assert all(part in str(raised.value) for part in parts), str(raised.value)
    assert "\n" not in str(raised.value)


def test_no_text_takes_long() -> None:
    """Unclosed calls and braces, however many, are looked through in a moment."""
    began = time.perf_counter()
    filled("{{a" + "()" * 5000 + " {{a" + "[0]" * 5000 + "{" * 20_000 + " {{" * 5000)
    assert time.perf_counter() - began < 1


def sent(room: Kernel, cell: str) -> str:
    """The last message that a cell with --dry-run would send."""
    ran = room.run(cell)
    assert ran.ok, ran.error
    return str(room.value(f"__import__('json').loads({ran.text!r})['messages'][-1]['content']"))


def test_a_cell_puts_in_inputs_values_and_errors_by_their_numbers(room: Kernel) -> None:
    """In a notebook the numbers are those beside the cells, and In is what was typed."""
    typed = room.run("%chats list")
    value = room.run("6 * 7")
    failed = room.run("1 / 0")
    one, two, three = (r.reply["execution_count"] for r in (typed, value, failed))
    got = sent(room, f"%%chat --dry-run\n{{{{In[{one}]}}}}|{{{{Out[{two}]}}}}|{{{{Err[{three}]}}}}")
    assert got.startswith("'%chats list|42|Traceback")
    assert "ZeroDivisionError: division by zero" in got


def test_the_system_message_is_filled_in_and_no_interp_fills_in_nothing(room: Kernel) -> None:
    """-s takes {{name}} too; with --no-interp prompt and system are sent as they stand, known name or not."""
    room.run("who = 'a pirate'")
    ran = room.run("%%chat --dry-run -s 'You are {{who}}.'\nhi")
    assert '"content": "You are a pirate."' in ran.text
    assert sent(room, "%%chat --dry-run --no-interp\n{{who}} {{nobody}}") == "'{{who}} {{nobody}}'"


def test_the_warning_stands_in_the_answer(room: Kernel) -> None:
    """What was not evaluated is told beside the answer."""
    ran = room.run("%%chat --max-tokens 2\n{{who.upper()}}")
    assert "{{who.upper()}} was sent as it stands" in ran.outputs[-1]["text/html"]
    request = ran.outputs[-1]["application/vnd.modelhub.chat+json"]["request"]
    assert request["messages"][-1]["content"] == "{{who.upper()}}"
