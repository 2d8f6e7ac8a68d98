"""The finished answer: which MIME types it has, what each holds, and what nbval may compare."""

from __future__ import annotations

import copy
import json
import re
from typing import Any

import pytest

from modelhub.errors import EngineFailed
from modelhub.kernels.response import Response
from modelhub.nbext.answer import FORMATS, MIME, bundle, quiet_line, value
from tests.nbext.answers import Page, entry, finished

FENCED = 'Here:\n\n```json\n{"b": [1, 2],\n "a": "é"}\n```\n\nand more.'


def page(response: Response, form: str = "md") -> str:
    return str(bundle(response, form)[0]["text/html"])


@pytest.mark.parametrize("form", FORMATS)
def test_its_types(form: str) -> None:
    """Plain text is the whole answer, as it came; there is HTML but for raw, and never Markdown or a script."""
    data, metadata = bundle(finished("**Paris**\n"), form)
    assert set(data) == {"text/plain", MIME} | ({"text/html"} if form != "raw" else set())
    assert data["text/plain"] == "**Paris**\n"
    assert data[MIME]["choices"][0]["text"] == "**Paris**\n"
    json.dumps([data, metadata], allow_nan=False)


def test_each_format_shows_its_way() -> None:
    """md renders, text and code do not, json is indented, code is the inside of the fence."""
    assert "<strong>x</strong>" in page(finished("**x**"))
    assert page(finished("**x** <b>"), "text").startswith("<pre>**x** &lt;b&gt;</pre>")
    assert page(finished(FENCED), "json").startswith('<pre>{\n  "b": [\n    1,\n    2\n  ],\n  "a": "é"\n}</pre>')
    assert page(finished("no json"), "json").startswith("<pre>no json</pre>")
    assert page(finished("a\n~~~py\nprint(1 < 2)\n~~~\nb"), "code").startswith("<pre>print(1 &lt; 2)\n</pre>")
    assert page(finished("x = 1"), "code").startswith("<pre>x = 1</pre>")


def test_the_value_of_a_variable() -> None:
    """--set gets the text; of json the parsed object, where it can be parsed; of code the code."""
    assert value(finished(FENCED), "md") == FENCED
    assert value(finished(FENCED), "raw") == FENCED
    assert value(finished(FENCED), "json") == {"b": [1, 2], "a": "é"}
    assert value(finished("[1"), "json") == "[1"
    assert value(finished("7"), "json") == 7
    assert value(finished("a\n```\nx\n\ny\n```\nb\n```\nz\n```"), "code") == "x\n\ny\n"


def test_no_times_no_ids_in_what_is_compared() -> None:
    """Two answers that say the same differ in the quiet line's speed and in metadata alone."""
    first, second = finished("same"), finished("same")
    second.created += 99
    second._came.debug["timings"] = {"decode_s": 9.0}
    (one, one_meta), (two, two_meta) = bundle(first), bundle(second)
    assert one[MIME] == two[MIME]
    assert one["text/plain"] == two["text/plain"]
    assert one["text/html"] != two["text/html"]
    assert re.sub(r"\d+ tok/s", "", one["text/html"]) == re.sub(r"\d+ tok/s", "", two["text/html"])
    assert one_meta["modelhub"]["id"] != two_meta["modelhub"]["id"]
    assert set(one_meta["modelhub"]) == {"id", "created", "usage", "timings", "seed"}
    assert first.id not in json.dumps(one)


def test_the_record_says_what_was_asked_and_what_came() -> None:
    """The record has the request, the choices and how they ended; logprobs with six decimals, odd bytes kept."""
    entries = [entry("a", -0.123456789, [("b", -2.0)]), {**entry("\ufffd"), "bytes": [0xE2, 0x82]}]
    record = bundle(finished("a", logprobs=True, top_logprobs=1, entries=entries, seed=5))[0][MIME]
    assert record["version"] == 1
    assert record["request"]["seed"] == 5
    assert record["interrupted"] is False
    (choice,) = record["choices"]
    assert choice["finish_reason"] == "stop"
    assert choice["logprobs"] == [
        {"token": "a", "logprob": -0.123457, "top_logprobs": [{"token": "b", "logprob": -2.0}]},
        {"token": "\ufffd", "logprob": -0.5, "bytes": [0xE2, 0x82]},
    ]


def test_several_choices_stand_below_each_other() -> None:
    """Each of n choices is shown and recorded, divided by a line."""
    data, _ = bundle(finished("*one*", "*two*"))
    assert data["text/html"].count("<hr>") == 1
    assert "<em>one</em>" in data["text/html"]
    assert "<em>two</em>" in data["text/html"]
    assert [c["text"] for c in data[MIME]["choices"]] == ["*one*", "*two*"]


@pytest.mark.parametrize(
    ("made", "wanted"),
    [
        ({}, "tiny-chat · seed 77 (drawn) · 3 tokens · 4 tok/s · stop"),
        ({"seed": 77}, "tiny-chat · seed 77 · 3 tokens · 4 tok/s · stop"),
        ({"temperature": 0}, "tiny-chat · 3 tokens · 4 tok/s · stop"),
        ({"tokens": 1}, "tiny-chat · seed 77 (drawn) · 1 token · stop"),
        ({"finish": "length"}, "tiny-chat · seed 77 (drawn) · 3 tokens · 4 tok/s · cut at its limit"),
        ({"finish": None, "interrupted": True}, "tiny-chat · seed 77 (drawn) · 3 tokens · 4 tok/s · stopped"),
    ],
)
def test_the_quiet_line(made: dict[str, Any], wanted: str) -> None:
    """One line says model, seed where one was drawn with, tokens, speed and how it ended."""
    response = finished("text", **made)
    assert quiet_line(response) == wanted
    assert wanted in page(response)


def test_the_quiet_line_of_a_failure() -> None:
    """What came before an engine failed is kept, and the line says that it failed."""
    response = finished("half of", finish=None)
    response.settle(EngineFailed("gone"))
    assert quiet_line(response).endswith(" · failed")


def test_notes_and_warnings_are_text() -> None:
    """Notes and warnings stand below the answer, escaped, a line each."""
    response = finished("x", notes=["a <b>note</b>"], warnings=["<script>w()</script>\u202e\x1b[0m"])
    for form in ("md", "text", "json", "code"):
        found = Page(page(response, form))
        assert not {"script", "b"} & set(found.tags)
        assert "a <b>note</b>" in found.text
        assert "⚠ <script>w()</script>[0m" in found.text


def test_a_response_read_back_is_the_same_bundle() -> None:
    """What to_dict keeps is enough to show the answer as it was."""
    response = finished("**x**", "y", warnings=["w"], notes=["n"], finish="length")
    again = Response.from_dict(json.loads(json.dumps(response.to_dict())))
    assert bundle(again) == bundle(response)


def test_showing_changes_nothing() -> None:
    """A bundle is made of a copy: showing an answer twice shows the same."""
    response = finished("x", logprobs=True, entries=[entry("x")])
    before = copy.deepcopy(response.to_dict())
    assert bundle(response) == bundle(response)
    assert response.to_dict() == before
