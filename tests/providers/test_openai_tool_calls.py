"""Tool calls of OpenAI-like replies: pieces in every disorder become the calls that were meant."""

from __future__ import annotations

import itertools
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelhub.kernels.protocol.events import Called, Event, Warned
from modelhub.kernels.providers.dialects.tool_calls import ToolCalls
from tests.providers.talk import JSON, answered, sse, told

BREST, CORK = '{"port": "Brest"}', '{"port": "Cork"}'
ENDS = {"choices": [{"index": 0, "delta": {}, "finish_reason": "tool_calls"}]}


def piece(arguments: Any = None, name: str | None = None, **more: Any) -> dict[str, Any]:
    """One piece of a call; what is not said is not there."""
    function = {k: v for k, v in (("name", name), ("arguments", arguments)) if v is not None}
    return {**more, "function": function}


def calls(chunks: list[list[Any]]) -> list[tuple[str, str, str]]:
    """Id, name and arguments of the calls that lists of pieces make, each list a chunk."""
    events = [{"choices": [{"index": 0, "delta": {"tool_calls": pieces}}]} for pieces in chunks]
    made = answered("openai", sse(*events, ENDS, "[DONE]", named=False))
    assert made.finish_reason == "tool_calls"
    return [(c["id"], c["function"]["name"], c["function"]["arguments"]) for c in made.tool_calls]


TWO = [("c1", "tide", BREST), ("c2", "tide", CORK)]
DISORDERS: dict[str, tuple[list[list[Any]], list[tuple[str, str, str]]]] = {
    "as OpenAI sends them": (
        [[piece("", "tide", index=0, id="c1", type="function")], [piece(BREST[:5], index=0)],
         [piece(BREST[5:], index=0)], [piece("", "tide", index=1, id="c2")], [piece(CORK, index=1)]], TWO),
    "woven into each other": (
        [[piece("", "tide", index=0, id="c1"), piece("", "tide", index=1, id="c2")],
         [piece(CORK[:4], index=1), piece(BREST[:4], index=0)], [piece(CORK[4:], index=1)],
         [piece(BREST[4:], index=0)]], TWO),
    "id and name in every piece": (
        [[piece(BREST[:5], "tide", index=0, id="c1")], [piece(BREST[5:], "tide", index=0, id="c1")],
         [piece(CORK, "tide", index=1, id="c2")]], TWO),
    "no index": ([[piece(BREST[:5], "tide", id="c1")], [piece(BREST[5:])], [piece(CORK, "tide", id="c2")]], TWO),
    "index null": ([[piece(BREST, "tide", id="c1", index=None)], [piece(CORK, "tide", id="c2", index=None)]], TWO),
    "index 0 for all": (
        [[piece(BREST[:5], "tide", id="c1", index=0)], [piece(BREST[5:], index=0)],
         [piece(CORK[:5], "tide", id="c2", index=0)], [piece(CORK[5:], index=0)]], TWO),
    "two in one chunk, index 0 for both": (
        [[piece(BREST, "tide", id="c1", index=0), piece(CORK, "tide", id="c2", index=0)]], TWO),
    "the index drifts": (
        [[piece("", "tide", id="c1", index=0)], [piece(BREST[:5], index=1)], [piece(BREST[5:], index=2)],
         [piece("", "tide", id="c2", index=3)], [piece(CORK, index=4)]], TWO),
    "the index begins at 1, with gaps": (
        [[piece(BREST, "tide", id="c1", index=1)], [piece(CORK, "tide", id="c2", index=7)]], TWO),
    "indexes as text": ([[piece(BREST, "tide", id="c1", index="0")], [piece(CORK, "tide", id="c2", index="1")]], TWO),
    "ids empty and null later": (
        [[piece("", "tide", id="c1", index=0)], [piece(BREST[:3], id="", index=0)],
         [piece(BREST[3:], id=None, index=0)], [piece(CORK, "tide", id="c2", index=1)]], TWO),
    "the id comes late": (
        [[piece("", "tide", index=0)], [piece(BREST, index=0, id="c1")], [piece(CORK, "tide", id="c2", index=1)]], TWO),
    "a new id before there are arguments": (
        [[piece("", "tide", id="c1", index=0)], [piece("", "tide", id="c2", index=0)], [piece(CORK, index=0)]],
        [("c1", "tide", ""), TWO[1]]),
    "no ids, names tell": (
        [[piece(BREST, "tide", index=0)], [piece(CORK, "wind", index=0)]], [("", "tide", BREST), ("", "wind", CORK)]),
    "no ids, one name, whole arguments": (
        [[piece(BREST, "tide", index=0)], [piece(CORK, "tide", index=0)]], [("", "tide", BREST), ("", "tide", CORK)]),
    "no ids, the name in every piece": (
        [[piece(BREST[:5], "tide", index=0)], [piece(BREST[5:], "tide", index=0)], [piece("", "tide", index=0)]],
        [("", "tide", BREST)]),
    "arguments as an object": ([[piece({"port": "Brest"}, "tide", id="c1")]], TWO[:1]),
    "an object, said again": (
        [[piece({"port": "Brest"}, "tide", id="c1")], [piece({"port": "Brest"}, id="c1")]], TWO[:1]),
    "an object, said again with its name and no id": (
        [[piece({"a": "ö"}, "tide", index=0)], [piece({"a": "ö"}, "tide", index=0)]], [("", "tide", '{"a": "ö"}')]),
    "an empty object before the text": ([[piece({}, "tide", id="c1")], [piece(BREST, id="c1")]], TWO[:1]),
    "an empty object alone": ([[piece({}, "tide", id="c1")]], [("c1", "tide", "{}")]),
    "no arguments at all": ([[piece(None, "tide", id="c1")]], [("c1", "tide", "")]),
    "a single piece, not in a list": ([piece(BREST, "tide", id="c1")], TWO[:1]),  # type: ignore[list-item]
    "odd things among them": (
        [[None, 5, "x", piece(BREST, "tide", id="c1")], [{"function": None, "id": "c1"}]], TWO[:1]),
    "a tool of free text": (
        [[{"index": 0, "id": "c1", "type": "custom", "custom": {"name": "run", "input": "1 "}}],
         [{"index": 0, "custom": {"input": "+ 1"}}]], [("c1", "run", "1 + 1")]),
    "numbers for ids": ([[piece(BREST, "tide", id=7, index=0)], [piece("", id=7, index=0)]], [("7", "tide", BREST)]),
}  # fmt: skip


@pytest.mark.parametrize("name", DISORDERS)
def test_disorders(name: str) -> None:
    """Each piece finds its call: by its id, by the index claimed last, or the call that came last."""
    chunks, expected = DISORDERS[name]
    assert calls(chunks) == expected


def test_a_whole_message() -> None:
    """In a message each entry is a call of its own, also where all have one index and no ids."""
    message = {"content": None, "tool_calls": [piece("", "tide", index=0), piece("", "tide", index=0)]}
    reply = json.dumps({"choices": [{"index": 0, "message": message, "finish_reason": "tool_calls"}]}).encode()
    made = answered("openai", reply, JSON)
    assert [c["function"]["name"] for c in made.tool_calls] == ["tide", "tide"]
    assert made.message()["content"] is None


def test_an_older_function_call() -> None:
    """A call under its older name is a tool call."""
    deltas = [{"function_call": {"name": "tide", "arguments": BREST[:5]}}, {"function_call": {"arguments": BREST[5:]}}]
    events = [{"choices": [{"index": 0, "delta": delta}]} for delta in deltas]
    last = {"choices": [{"index": 0, "delta": {}, "finish_reason": "function_call"}]}
    made = answered("openai", sse(*events, last, named=False))
    (call,) = made.tool_calls
    assert (call["function"], made.finish_reason) == ({"name": "tide", "arguments": BREST}, "function_call")


def test_name_and_id_are_told_once() -> None:
    """Name and id come with the first piece of a call, arguments as they come."""
    found = ToolCalls(2).add([piece("{", "tide", id="c1")]) + ToolCalls(2).add([])
    assert found == [Called(2, 0, "c1", "tide", "{")]
    more = ToolCalls()
    more.add([piece("{", "tide", id="c1")])
    assert more.add([piece("}", "tide", id="c1")]) == [Called(0, 0, "", "", "}")]


def test_cut_arguments_are_warned_of() -> None:
    """Arguments that are no JSON when the answer ends are warned of once, with the call they are of."""
    cut = {"choices": [{"index": 0, "delta": {"tool_calls": [piece('{"port": "Br', "tide", id="c1", index=0)]}}]}
    found, _ = told("openai", sse(cut, ENDS, "[DONE]", named=False))
    assert [e for e in found if isinstance(e, Warned)] == [
        Warned("the arguments of tool call 0 (tide) are no JSON: they were cut off, or badly written"),
    ]


def test_signatures_go_with_the_call() -> None:
    """What must go back with a call is kept with it."""
    signed = {"google": {"thought_signature": "s"}}
    assert ToolCalls().add([piece("{}", "tide", id="c1", extra_content=signed)])[0].extra == signed


def test_half_characters_in_arguments() -> None:
    """The halves of a character in arguments become one, over pieces too."""
    assert calls([[piece('{"a": "\ud83d', "f", id="c1")], [piece('\ude00"}', id="c1")]])[0][2] == '{"a": "\U0001f600"}'


def test_endless_calls_are_not_kept() -> None:
    """A reply of a million calls fills no memory: what comes above 4,096 is left out."""
    held = ToolCalls()
    told = held.add([piece("{}", "f", id=f"c{n}") for n in range(5000)])
    assert (len(held), len(told)) == (4096, 4096)


@given(st.text(max_size=30), st.lists(st.integers(0, 40), max_size=5))
def test_arguments_cut_anywhere_are_the_same(value: str, cuts: list[int]) -> None:
    """However arguments are cut into pieces, they are the same."""
    arguments = json.dumps({"a": value}, ensure_ascii=False)
    places = [0, *sorted(min(cut, len(arguments)) for cut in cuts), len(arguments)]
    held = ToolCalls()
    found: list[Event] = [*held.add([piece("", "f", id="c1", index=0)])]
    for start, end in itertools.pairwise(places):
        found += held.add([piece(arguments[start:end], index=0)])
    found += held.end()
    assert "".join(e.arguments for e in found if isinstance(e, Called)) == arguments
    assert not [e for e in found if isinstance(e, Warned)]
