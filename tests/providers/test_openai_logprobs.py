"""Log probabilities of OpenAI-like replies: every shape becomes OpenAI's entries, and nothing is made up."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest

from modelhub.kernels.protocol.events import Delta, Warned
from modelhub.kernels.providers.dialects.logprobs import entries_of, logarithm
from tests.providers.talk import JSON, answered, request, sse, told

INF = -math.inf
ENDS = {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}
ASKED = {"logprobs": True, "top_logprobs": 2}


def entry(token: str, logprob: float | None, data: list[int] | None = None, **more: Any) -> dict[str, Any]:
    """An entry, with no alternatives unless they are said."""
    return {"token": token, "logprob": logprob, "bytes": data, "top_logprobs": [], **more}


def top(token: str, logprob: float | None, data: list[int] | None = None, **more: Any) -> dict[str, Any]:
    """An alternative."""
    return {"token": token, "logprob": logprob, "bytes": data, **more}


SHAPES: dict[str, tuple[Any, list[dict[str, Any]]]] = {
    "OpenAI": (
        {"content": [{"token": "Te", "logprob": -0.1, "bytes": [84, 101],
                      "top_logprobs": [{"token": "Te", "logprob": -0.1, "bytes": [84, 101]}]}], "refusal": None},
        [entry("Te", -0.1, [84, 101], top_logprobs=[top("Te", -0.1, [84, 101])])]),
    "bytes null, alternatives absent": (
        {"content": [{"token": "A", "logprob": -0.1, "bytes": None}]}, [entry("A", -0.1)]),
    "vLLM's least": (
        {"content": [{"token": "A", "logprob": -9999.0, "top_logprobs": [{"token": "B", "logprob": -9999.0}]}]},
        [entry("A", INF, raw_logprob=-9999.0, top_logprobs=[top("B", INF, raw_logprob=-9999.0)])]),
    "llama.cpp's least, with ids": (
        {"content": [{"id": 11, "token": "A", "bytes": [65], "logprob": -0.5,
                      "top_logprobs": [{"id": 9, "token": "", "bytes": [240], "logprob": -3.4028234663852886e38}]}]},
        [entry("A", -0.5, [65], id=11,
               top_logprobs=[top("", INF, [240], id=9, raw_logprob=-3.4028234663852886e38)])]),
    "minus infinity": ({"content": [{"token": "A", "logprob": -math.inf}]}, [entry("A", INF)]),
    "not a number, null, text": (
        {"content": [{"token": t, "logprob": v} for t, v in (("A", math.nan), ("B", None), ("C", "x"))]},
        [entry("A", None), entry("B", None), entry("C", None)]),
    "a little above 0": ({"content": [{"token": "A", "logprob": 1e-7}]}, [entry("A", 0.0, raw_logprob=1e-7)]),
    "Mistral's ids": ({"content": [{"token": "A", "logprob": -1, "token_id": 7}]}, [entry("A", -1.0, id=7)]),
    "Fireworks": (
        {"content": [{"token": "A", "logprob": -1, "sampling_logprob": -0.9, "text_offset": 0, "token_id": 7}]},
        [entry("A", -1.0, id=7, sampling_logprob=-0.9)]),
    "many tokens in one chunk, one without text": (
        {"content": [{"token": "", "logprob": -1, "bytes": [240]}, {"token": "x", "logprob": -2}]},
        [entry("", -1.0, [240]), entry("x", -2.0)]),
    "lists side by side": (
        {"tokens": ["A", "B"], "token_logprobs": [-1, None], "token_ids": [7, 8]},
        [entry("A", -1.0, id=7), entry("B", None, id=8)]),
    "lists, with alternatives by token": (
        {"tokens": ["A"], "token_logprobs": [-1], "top_logprobs": [{"A": -1, "B": -9999.0}], "text_offset": [0]},
        [entry("A", -1.0, top_logprobs=[top("A", -1.0), top("B", INF, raw_logprob=-9999.0)])]),
    "lists of unequal length": ({"tokens": ["A", "B"], "token_logprobs": [-1]}, [entry("A", -1.0), entry("B", None)]),
    "a list of entries": ([{"token": "A", "logprob": -1}], [entry("A", -1.0)]),
    "a number": (-0.5, [entry("text", -0.5, id=3)]),
    "a token that is no text": ({"content": [{"token": 5, "logprob": -1}, {"logprob": -1}]},
                                [entry("5", -1.0), entry("", -1.0)]),
    "half a character": ({"content": [{"token": "\ud83d", "logprob": -1}]}, [entry("\ufffd", -1.0)]),
    "bytes that are none": ({"content": [{"token": "A", "logprob": -1, "bytes": ["x", 999]}]}, [entry("A", -1.0)]),
    "null": (None, []),
    "empty": ({}, []),
    "content null": ({"content": None}, []),
    "odd things": ({"content": [None, 5, "x"]}, []),
    "text": ("x", []),
}  # fmt: skip


@pytest.mark.parametrize("name", SHAPES)
def test_shapes(name: str) -> None:
    """One entry a token, natural logarithms, minus infinity as such; what is not said is not there."""
    said, expected = SHAPES[name]
    assert list(entries_of(said, "text", 3)) == expected


def test_logarithms() -> None:
    """No value is above 0, and none between the least that JSON says and minus infinity."""
    assert [logarithm(v)[0] for v in (-9998.9, -9999, -10000, 0, 5, True, "x", None, 10**400, -(10**400))] == [
        -9998.9, INF, INF, 0.0, 0.0, None, None, None, 0.0, INF,
    ]  # fmt: skip


def chunk(text: str | None, *entries: dict[str, Any], **more: Any) -> dict[str, Any]:
    """A chunk with text and entries."""
    logprobs = {"content": list(entries)} if entries else None
    return {"choices": [{"index": 0, "delta": {"content": text}, "logprobs": logprobs, **more}]}


def test_entries_do_not_depend_on_the_text() -> None:
    """A split emoji: three tokens, of which the last alone has text; each has its entry, with its bytes."""
    data = [[240, 159], [152], [128]]
    rows = [{"token": "", "logprob": -1, "bytes": d} for d in data]
    events = [chunk("", rows[0]), chunk(None, rows[1]), chunk("\U0001f600", rows[2]), ENDS]
    response = answered("openai", sse(*events, named=False), asked=request(**ASKED))
    assert [e["bytes"] for e in response.logprobs] == data
    assert bytes(b for e in response.logprobs for b in e["bytes"]).decode() == response.text() == "\U0001f600"
    assert response.warnings == []


def test_together_streams_a_number() -> None:
    """A number beside a chunk is its token's, without alternatives."""
    event = {"choices": [{"index": 0, "delta": {"content": "Te", "token_id": 11}, "logprobs": -0.25, "text": "Te"}]}
    response = answered("together", sse(event, ENDS, named=False), asked=request(**ASKED))
    assert response.logprobs == [entry("Te", -0.25, id=11)]


def test_refusals_have_their_own() -> None:
    """Log probabilities of a refusal are no part of the answer's."""
    said = {"content": None, "refusal": [{"token": "no", "logprob": -1}]}
    event = {"choices": [{"index": 0, "delta": {"refusal": "no"}, "logprobs": said}]}
    found, ended = told("openai", sse(event, ENDS, named=False), asked=request(**ASKED))
    assert not [e for e in found if isinstance(e, Delta)]
    assert ended.details["refusal_logprobs"] == [entry("no", -1.0)]


MISSING: dict[str, tuple[list[dict[str, Any]], list[str], bool]] = {
    "none": ([chunk("kelp")], ["OpenAI sent no log probabilities, though they were asked for"], False),
    "an empty object": (
        [chunk("kelp", logprobs={})], ["OpenAI sent no log probabilities, though they were asked for"], False),
    "some": ([chunk("ke", {"token": "ke", "logprob": -1}), chunk("lp")],
             ["OpenAI sent log probabilities for a part of the answer only"], False),
    "all": ([chunk("kelp", {"token": "kelp", "logprob": -1})], [], True),
    "all, and one of a token without text": (
        [chunk("kelp", {"token": "kelp", "logprob": -1}), chunk("", {"token": "<|end|>", "logprob": -1})], [], True),
    "no text at all": ([chunk("")], [], True),
}  # fmt: skip


@pytest.mark.parametrize("name", MISSING)
def test_what_is_missing_is_told_once(name: str) -> None:
    """Log probabilities that were asked for and did not come are warned of, once; nobody makes them up."""
    events, warnings, complete = MISSING[name]
    found, ended = told("openai", sse(*events, ENDS, "[DONE]", named=False), asked=request(**ASKED))
    assert [e.text for e in found if isinstance(e, Warned)] == warnings
    assert ended.details["logprobs_complete"] is complete
    found, ended = told("openai", sse(*events, ENDS, "[DONE]", named=False))
    assert not [e for e in found if isinstance(e, Warned)]
    assert "logprobs_complete" not in ended.details


def test_the_reply_is_valid_json() -> None:
    """Minus infinity within is a number that JSON can say in the completion."""
    reply = {"choices": [{"index": 0, "message": {"content": "A"}, "finish_reason": "stop",
                          "logprobs": {"content": [{"token": "A", "logprob": -9999.0}]}}]}  # fmt: skip
    made = answered("vllm", json.dumps(reply).encode(), JSON, request(**ASKED))
    assert made.logprobs[0]["logprob"] == INF
    json.dumps(made.json(), allow_nan=False)
