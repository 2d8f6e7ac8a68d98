"""Hostile and broken replies of OpenAI-like servers: anything may stand anywhere, and nothing breaks of it."""

from __future__ import annotations

import contextlib
import json
from random import Random
from typing import Any

import pytest

from modelhub.errors import HubError
from modelhub.kernels.protocol.events import Delta, Reasoned
from modelhub.kernels.providers import records
from modelhub.kernels.providers.dialects import dialect, lists
from modelhub.kernels.providers.stream.server_event import ServerEvent
from modelhub.kernels.response import Response
from tests.providers.talk import request, target

KEYS = (
    "choices", "delta", "message", "content", "index", "finish_reason", "usage", "error", "logprobs", "tool_calls",
    "function", "arguments", "name", "id", "type", "text", "reasoning", "reasoning_details", "reasoning_content",
    "thinking", "images", "image_url", "url", "refusal", "annotations", "audio", "function_call", "token", "logprob",
    "bytes", "top_logprobs", "tokens", "token_logprobs", "x_groq", "object", "model", "created", "data", "models",
    "pricing", "prompt", "capabilities", "architecture", "supported_parameters", "providers", "stop_reason",
)  # fmt: skip
SEEDS = range(600)


def anything(random: Random, depth: int = 0) -> Any:
    """Any value that JSON can say, and what Python's JSON can beside."""
    kinds = ["null", "bool", "whole", "big", "float", "nan", "infinite", "text", "half", "key"]
    match random.choice(kinds + ["list", "object", "object"] * (depth < 4)):
        case "null":
            return None
        case "bool":
            return random.random() < 0.5
        case "whole":
            return random.randint(-3, 300)
        case "big":
            return 10 ** random.randint(3, 400)
        case "float":
            return random.uniform(-5, 5)
        case "nan":
            return float("nan")
        case "infinite":
            return random.choice([float("inf"), float("-inf"), -9999.0, -3.4e38])
        case "text":
            return random.choice(["", "kelp", "5", "<think>", "\n", "\x1b[31m", "\ud83d\ude00", "stop", "[DONE]"])
        case "half":
            return random.choice(["a\ud83d", "\ude00b"])
        case "key":
            return random.choice(KEYS)
        case "list":
            return [anything(random, depth + 1) for _ in range(random.randint(0, 3))]
    return thing(random, depth + 1)


def thing(random: Random, depth: int = 0, **more: Any) -> dict[str, Any]:
    """An object with some of the keys that replies have."""
    return {name: anything(random, depth) for name in random.sample(KEYS, random.randint(0, 4))} | more


def chunk(random: Random) -> dict[str, Any]:
    """A chunk with choices, in which anything stands."""
    part = random.choice(["delta", "message"])
    choices = [thing(random, 1, **{part: thing(random, 1)}) for _ in range(random.randint(0, 3))]
    made = thing(random, 1, choices=choices)
    if random.random() < 0.7:
        made.pop("error", None)
    return made


@pytest.mark.parametrize("way", ["stream", "whole"])
def test_any_reply(way: str) -> None:
    """A reply is read, or refused with an error that says so; what is told can be shown, sent on and written down."""
    read = 0
    for seed in SEEDS:
        random, asked = Random(seed), request(logprobs=True, n=2)
        reads, response = dialect("openai").reader(asked, target("openai")), Response(asked)
        try:
            for _ in range(random.randint(1, 4)):
                data = json.dumps(chunk(random))
                found = reads.event(ServerEvent(data)) if way == "stream" else reads.whole(json.loads(data))
                for told in found:
                    if isinstance(told, Delta | Reasoned):
                        told.text.encode()
                response.feed_all(found)
            response.feed_all(reads.event(ServerEvent("[DONE]")))
            ended = reads.end()
            response.feed_all([ended])
        except HubError:
            continue
        response.settle()
        response.end()
        made = [response.message(), response.json(), _without(ended.details)]
        json.dumps(made, allow_nan=False, ensure_ascii=False).encode()
        read += 1
    assert read > len(SEEDS) / 4


def test_any_list() -> None:
    """A list of models is read, or is said to be none."""
    for seed in SEEDS:
        random = Random(seed)
        rows = [thing(random) for _ in range(3)]
        for body in (rows, {"data": rows}, {"models": rows, "data": anything(random)}, anything(random)):
            for name in ("openai", "openrouter", "mistral"):
                with contextlib.suppress(HubError, ValueError):
                    assert all(row.id.isprintable() for row in lists.page(body, records.packaged()[name]).rows)


def _without(details: dict[str, Any]) -> dict[str, Any]:
    """Details but for log probabilities, in which minus infinity has its place."""
    return {name: value for name, value in details.items() if name != "refusal_logprobs"}
