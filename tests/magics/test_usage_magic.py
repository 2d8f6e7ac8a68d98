"""`%models usage` and `hub().usage()`: what this kernel has used, by model, and what it cost where that is stated."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from modelhub.kernels.hub import Hub
from modelhub.kernels.usage import Cost, cost_of, cost_text
from tests.kernel import Kernel
from tests.providers.replay import Reply, Request, Server, serve
from tests.providers.talk import SSE, sse

PRICED = {"id": "dear", "pricing": {"prompt": "0.000002", "completion": "0.000010"}}
USED = {"prompt_tokens": 1000, "completion_tokens": 100, "total_tokens": 1100}


def answer(usage: dict[str, Any] | None) -> bytes:
    chunks: list[Any] = [{"choices": [{"index": 0, "delta": {"content": "hi"}, "finish_reason": "stop"}]}]
    return sse(*chunks, *([{"choices": [], "usage": usage}] if usage else []), "[DONE]")


@pytest.fixture
def asked(own_hub: Hub) -> Iterator[Callable[..., None]]:
    """Asks a model of the provider `corp`, whose answer has this usage."""
    usages: list[dict[str, Any] | None] = []

    def reply(request: Request) -> Reply:
        if request.path.endswith("/models"):
            listed = {"object": "list", "data": [PRICED, {"id": "plain"}]}
            return Reply(json.dumps(listed).encode(), headers={"content-type": "application/json"})
        if usages[-1] == {"error": True}:
            return Reply(b'{"error": {"message": "no"}}', 400, {"content-type": "application/json"})
        return Reply(answer(usages[-1]), headers=SSE)

    def ask(model: str, usage: dict[str, Any] | None) -> None:
        usages.append(usage)
        own_hub.chat("hi", model=f"corp/{model}").wait(30)

    server: Server
    with serve(reply) as server:
        own_hub.providers.add("corp", base_url=f"{server.url}/v1", dialect="openrouter", needs_key=False)
        own_hub.providers.models("corp", refresh=True)
        yield ask


def test_sums_by_model(own_hub: Hub, asked: Callable[..., None]) -> None:
    """Requests, failures and tokens add up by model and in all; what nobody told is not counted, and said so."""
    asked("plain", {**USED, "prompt_tokens_details": {"cached_tokens": 7}})
    asked("plain", {**USED, "completion_tokens_details": {"reasoning_tokens": 9}})
    asked("plain", None)
    asked("plain", {"error": True})
    own_hub.chat("hi", model="tiny-chat", temperature=0, max_tokens=2).wait(60)
    found = own_hub.usage()
    plain, local = found["models"]["corp/plain"], found["models"]["local/tiny-chat"]
    assert (plain["requests"], plain["failed"], plain["uncounted"]) == (4, 1, 1)
    assert (plain["prompt_tokens"], plain["cached_tokens"]) == (2000, 7)
    assert (plain["completion_tokens"], plain["reasoning_tokens"]) == (200, 9)
    assert (plain["cost"], plain["unpriced"]) == (None, 2)
    assert (local["requests"], local["completion_tokens"], local["cost"]) == (1, 2, None)
    assert found["total"]["requests"] == 5 and found["total"]["completion_tokens"] == 202


def test_costs_are_stated_by_the_list_or_by_the_reply(own_hub: Hub, asked: Callable[..., None]) -> None:
    """A cost in the reply is exact and wins; else tokens times the list's prices, with the day of the list."""
    asked("dear", USED)
    asked("dear", {**USED, "cost": 0.5})
    dear = own_hub.usage()["models"]["corp/dear"]
    assert dear["cost"] == pytest.approx(0.003 + 0.5) and dear["unpriced"] == 0
    (day,) = dear["listed"]
    assert len(day) == len("2026-01-01")


@pytest.mark.parametrize(
    ("usage", "prices", "wanted"),
    [
        (USED, {}, None),
        (USED, {"prompt": 2.0}, None),
        ({"prompt_tokens": 5}, {"prompt": 2.0, "completion": 1.0}, None),
        ({**USED, "cost": {"total_cost": 0.25}}, {}, Cost(0.25)),
        ({**USED, "cost": "much"}, {}, None),
        ({**USED, "cost": float("nan"), "prompt_tokens_details": "many"}, {"prompt": "x", "completion": 1.0}, None),
        ({**USED, "prompt_tokens_details": {"cached_tokens": "all"}}, {"prompt": 2.0, "completion": 10.0}, Cost(0.003)),
        (USED, {"prompt": 0.0, "completion": 0.0, "listed": "d"}, Cost(0.0, "d")),
        ({**USED, "prompt_tokens_details": {"cached_tokens": 500}}, {"prompt": 2.0, "completion": 10.0, "cached": 1.0},
         Cost(0.0025)),
        ({**USED, "prompt_tokens_details": {"cached_tokens": 500}}, {"prompt": 2.0, "completion": 10.0},
         Cost(0.003, at_most=True)),
        ({**USED, "prompt_tokens_details": {"cache_write_tokens": 5}}, {"prompt": 2.0, "completion": 10.0}, None),
    ],
)  # fmt: skip
def test_no_cost_is_made_up(usage: dict[str, Any], prices: dict[str, Any], wanted: Cost | None) -> None:
    """A cost is known where the reply states it or each price is; cached tokens without a price make it the most."""
    assert cost_of(usage, prices) == wanted


@pytest.mark.parametrize(
    ("cost", "wanted"),
    [(0, "$0.00"), (12.345, "$12.35"), (0.0123, "$0.0123"), (0.5, "$0.50"), (0.0000421, "$0.000042")],
)
def test_costs_are_readable(cost: float, wanted: str) -> None:
    """A cost has the digits that count."""
    assert cost_text(Cost(cost)) == wanted and cost_text(Cost(cost, at_most=True)) == f"≤ {wanted}"


def test_the_table(room: Kernel) -> None:
    """`%models usage` has a row a model, says what the columns are, and takes nothing more."""
    room.run("import modelhub; modelhub.hub()._used.__init__()")
    assert room.run("%models usage").text == "no model was asked in this kernel yet"
    room.run("%%chat -t 0 --max-tokens 2\nhi")
    ran = room.run("t = %models usage\nt")
    assert ran.ok and "local/tiny-chat" in ran.text and "all " not in ran.text
    assert not ran.text.split("\n")[0].endswith("cost")  # a column that says nothing is left out
    assert "tokens, as the models told them, since this kernel began" in ran.text and "cost in" not in ran.text
    assert room.value("(t[0]['requests'], t[0]['completion_tokens'], t[0]['cost'])") == "(1, 2, None)"
    assert room.run("%models usage now").error == "BadRequest: %models usage takes nothing more; got 'now'"
