"""What goes wrong in what a stream says, by the rows of the fault catalogue: finishes, calls, thoughts, logprobs."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest

from modelhub.kernels.hub import Hub
from tests.providers.streams import DONE, ask, chunk, event, said, text_of

TEXT = "kelp drifts slowly"


@pytest.mark.parametrize(
    "tail",
    [
        event(chunk(finish="stop")) * 2,
        event(chunk(finish="")) + event(chunk(finish="stop")),
        event(chunk(finish="stop")) + event(chunk(finish="length")),
        event(chunk(finish="stop"))
        + event({"choices": [{"index": 0, "finish_reason": None, "content_filter_offsets": {}}]}),
    ],
    ids=["twice", "empty first", "another", "no delta"],
)
def test_the_first_finish_counts(own_hub: Hub, tail: bytes) -> None:
    """30: the first finish that says anything wins."""
    response, error = ask(own_hub, said(TEXT, finish=None, done=False) + tail + DONE)
    assert (error, response.partial(), response.finish_reason) == (None, TEXT, "stop")


def test_text_on_and_behind_the_finish_counts(own_hub: Hub) -> None:
    """30: no text is dropped because a finish stood beside it or before it."""
    body = event(chunk("kelp ", "stop")) + event(chunk("drifts slowly")) + DONE
    assert text_of(own_hub, body) == TEXT


@pytest.mark.parametrize("native", ["insufficient_system_resource", "MALFORMED_FUNCTION_CALL"])
def test_a_server_that_gave_up_says_so(own_hub: Hub, native: str) -> None:
    """31: the finish is `error`, with the provider's own word kept."""
    response, error = ask(own_hub, said("kelp ", finish=native))
    assert error is None and response.partial() == "kelp "
    assert (response.finish_reason, response.native_finish_reason) == ("error", native)


def call(arguments: Any = None, **more: Any) -> dict[str, Any]:
    """A piece of a tool call."""
    function = {k: v for k, v in (("name", more.pop("name", None)), ("arguments", arguments)) if v is not None}
    return {**more, "function": function}


@pytest.mark.parametrize(
    ("pieces", "names"),
    [
        ([[call('{"a":', id="x", name="f")], [call("1}")]], ["f"]),
        ([[call('{"a":1}', index=0, id="x", name="f")], [call('{"a":1}', index=0, id="y", name="g")]], ["f", "g"]),
        ([[call("", index=1, id="x", name="f")], [call('{"a":1}', index=1)]], ["f"]),
        ([[call('{"a":', index=0, id="x", name="f")], [call("1}", index=0, id="x", name="f")]], ["f"]),
        ([[call('{"a":', index=0, id="x", name="f")], [call("1}", index=0, id="", name=None)]], ["f"]),
        ([[call({"a": 1}, index=0, id="x", name="f")]], ["f"]),
        ([[call('{"a":1}', index=0, id="x", name="f"), call('{"a":1}', index=1, id="y", name="g")]], ["f", "g"]),
    ],
    ids=["no index", "index 0 for all", "from 1", "id each time", "empty id", "an object", "two in one chunk"],
)
def test_pieces_of_tool_calls_are_put_together(own_hub: Hub, pieces: list[Any], names: list[str]) -> None:
    """32: whatever index and id say, the calls are those that were meant, in order."""
    body = b"".join(event(chunk(tool_calls=piece)) for piece in pieces) + event(chunk(finish="tool_calls")) + DONE
    response, error = ask(own_hub, body)
    assert error is None and response.finish_reason == "tool_calls"
    assert [c["function"]["name"] for c in response.tool_calls] == names
    assert [json.loads(c["function"]["arguments"]) for c in response.tool_calls] == [{"a": 1}] * len(names)


@pytest.mark.parametrize(
    "first",
    [
        chunk(None, role="assistant", content=None),
        chunk([{"type": "text", "text": ""}]),  # type: ignore[arg-type]
        {"choices": [{"delta": {"role": "assistant"}}]},
    ],
    ids=["null", "a list", "role only"],
)
def test_content_may_be_of_any_shape(own_hub: Hub, first: Any) -> None:
    """33: null, a list of parts, a role alone or in every chunk."""
    parts = chunk([{"type": "text", "text": "kelp "}, {"type": "text", "text": "drifts "}], role="assistant")  # type: ignore[arg-type]
    body = event(first) + event(parts) + event(chunk("slowly", "stop", role="assistant")) + DONE
    assert text_of(own_hub, body) == TEXT


@pytest.mark.parametrize(
    "delta",
    [
        {"reasoning": "weigh it"},
        {"reasoning_content": "weigh it"},
        {"reasoning": "weigh it", "reasoning_content": "weigh it"},
        {"reasoning": "weigh it", "reasoning_details": [{"type": "reasoning.text", "text": "weigh it"}]},
        {"reasoning_details": [{"type": "reasoning.text", "text": "weigh it"}]},
        {"content": [{"type": "thinking", "thinking": [{"type": "text", "text": "weigh it"}]}]},
    ],
    ids=lambda d: "+".join(d),
)
def test_thoughts_are_one_field_and_not_doubled(own_hub: Hub, delta: Any) -> None:
    """34: whatever a provider calls it, what the model thought is `reasoning`, once."""
    response, error = ask(own_hub, event({"choices": [{"index": 0, "delta": delta}]}) + said(TEXT))
    assert (error, response.partial(), response.reasoning) == (None, TEXT, "weigh it")


def with_logprobs(value: Any, text: str = "a") -> dict[str, Any]:
    """A chunk with this for its logprobs."""
    made = chunk(text)
    made["choices"][0]["logprobs"] = value
    return made


@pytest.mark.parametrize("value", [None, [], {}, {"content": None}, {"content": []}], ids=json.dumps)
def test_logprobs_may_be_empty(own_hub: Hub, value: Any) -> None:
    """35: every way of saying nothing is no fault."""
    response, error = ask(own_hub, event(with_logprobs(value)) + said("b"), logprobs=True)
    assert (error, response.partial(), response.logprobs) == (None, "ab", [])


def test_logprobs_of_tokens_without_text_are_kept(own_hub: Hub) -> None:
    """35: entries are counted by token, not by text: a chunk may have several, or an empty text."""
    wave = [{"token": "", "logprob": -0.5, "bytes": [b], "top_logprobs": []} for b in "🌊".encode()]
    body = event(with_logprobs({"content": wave[:3]}, "")) + event(with_logprobs({"content": wave[3:]}, "🌊"))
    response, error = ask(own_hub, body + said("b"), logprobs=True)
    assert error is None and response.partial() == "🌊b"
    assert bytes(b for e in response.logprobs for b in e["bytes"] or ()) == "🌊".encode()


@pytest.mark.parametrize("least", ["-9999.0", "-3.4028234663852886e+38", "-Infinity", "NaN"])
def test_stand_ins_for_minus_infinity_are_known(own_hub: Hub, least: str) -> None:
    """36: what JSON cannot say is minus infinity or nothing inside, and valid JSON outside."""
    entry = {
        "token": "a",
        "logprob": -0.1,
        "bytes": [97],
        "top_logprobs": [{"token": "z", "logprob": 0, "bytes": None}],
    }
    body = json.dumps(with_logprobs({"content": [entry]})).replace('"logprob": 0', f'"logprob": {least}')
    response, error = ask(own_hub, b"data: " + body.encode() + b"\n\n" + said("b"), logprobs=True, top_logprobs=1)
    assert error is None and response.logprobs[0]["logprob"] == -0.1
    found = response.logprobs[0]["top_logprobs"][0]["logprob"]
    assert found is None or found == -math.inf
    json.dumps(json.loads(json.dumps(response.json(), allow_nan=False)), allow_nan=False)


def test_a_probability_is_at_most_one(own_hub: Hub) -> None:
    """36: a tiny positive logarithm is rounding, and 0."""
    entry = {"token": "a", "logprob": 1e-7, "bytes": [97], "top_logprobs": []}
    response, _error = ask(own_hub, event(with_logprobs({"content": [entry]})) + said("b"), logprobs=True)
    assert response.logprobs[0]["logprob"] == 0.0


def test_other_shapes_of_logprobs_are_mapped(own_hub: Hub) -> None:
    """37: one number a chunk (Together) and parallel lists are entries, and alternatives are never made up."""
    scalar = {**with_logprobs(-0.25, "a"), "text": "a", "token_id": 7}
    lists = with_logprobs({"tokens": ["b", "c"], "token_logprobs": [-0.5, None], "token_ids": [8, 9]}, "bc")
    response, error = ask(own_hub, event(scalar) + event(lists) + said("d"), logprobs=True, settings={})
    assert error is None and response.partial() == "abcd"
    assert [(e["token"], e["logprob"]) for e in response.logprobs][:2] == [("a", -0.25), ("b", -0.5)]
    assert all(not e.get("top_logprobs") for e in response.logprobs)
