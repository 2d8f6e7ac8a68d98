"""Every sample reply of `wire/`, through the hub: what the manifest says of it comes of it."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest

from modelhub.errors import HubError, ProviderError
from modelhub.kernels.hub import Hub
from modelhub.kernels.response import Response
from tests.providers.cases import Case, cases
from tests.providers.replay import serve

KEY = "sk-case-0123456789abcdef"
BASE = {"anthropic": "", "gemini": "/v1beta", "cohere": "", "ollama": "", "azure": "/openai/v1"}
COUNTS = {
    "prompt": ("prompt_tokens",),
    "completion": ("completion_tokens",),
    "total": ("total_tokens",),
    "cached": ("prompt_tokens_details", "cached_tokens"),
    "reasoning": ("completion_tokens_details", "reasoning_tokens"),
    "cost": ("cost",),
}


def add(hub: Hub, url: str, dialect: str, **more: Any) -> None:
    """Add the provider `corp`, made after a packaged record; a failure is told at once."""
    settings = {"tries": 1, "loading_s": 0, **more.pop("settings", {})}
    base_url = url + BASE.get(dialect, "/v1")
    hub.providers.add("corp", base_url=base_url, dialect=dialect, key=KEY, settings=settings, **more)


def ask(hub: Hub, case: Case, url: str) -> tuple[Response, HubError | None]:
    """The response to a case, and what it raised."""
    add(hub, url, case.dialect)
    options = {k: v for k, v in case.request.items() if k != "stream_options"}
    if case.expect.get("logprobs"):
        options.setdefault("logprobs", True)
        if case.expect.get("top"):
            options.setdefault("top_logprobs", 2)
    response = hub.chat("hi", model="corp/gpt-x", **options)
    try:
        response.text()
    except HubError as raised:
        return response, raised
    return response, None


@pytest.mark.parametrize("case", [c for c in cases() if c.kind in {"chat", "stream"}], ids=lambda c: c.name)
def test_what_a_reply_says_comes_of_it(own_hub: Hub, case: Case) -> None:
    """Text, reasoning, finish reason, usage, tool calls and log probabilities are those of the manifest."""
    with serve(case.reply()) as server:
        response, raised = ask(own_hub, case, server.url)
    check(response, raised, case.expect)


@pytest.mark.parametrize("case", cases("error"), ids=lambda c: c.name)
def test_what_an_error_says_comes_of_it(own_hub: Hub, case: Case) -> None:
    """Kind, status, wait and parameter are those of the manifest, and the message says it in at most 2,000 letters."""
    with serve(case.reply()) as server:
        response, raised = ask(own_hub, case, server.url)
    check(response, raised, case.expect)
    assert raised is not None and len(str(raised)) <= case.expect.get("message_max_chars", 2000)
    assert KEY not in str(raised) and response.partial() == ""


@pytest.mark.parametrize("case", cases("models"), ids=lambda c: c.name)
def test_what_a_list_says_comes_of_it(own_hub: Hub, case: Case) -> None:
    """Every model of a list is had, in its order."""
    replies = [case.reply()]
    if "next" in case.expect:
        replies.append(case.reply(body=json.dumps({"data": [], "has_more": False}).encode()))
    with serve(replies) as server:
        add(own_hub, server.url, case.dialect)
        ids = [m.id for m in own_hub.providers.models("corp", refresh=True, all=True)]
        asked = server.requests
    assert ids == case.expect.get("ids", ids) and len(ids) == case.expect.get("count", len(ids))
    for name, value in case.expect.get("next", {}).items():
        assert f"{name}={value}" in asked[1].query


def check(response: Response, raised: HubError | None, expect: Any) -> None:
    """Hold a response and its error against what the manifest expects."""
    error = expect.get("error")
    if error is None:
        assert raised is None, raised
    else:
        assert isinstance(raised, ProviderError)
        assert (raised.kind, raised.retryable) == (error["kind"], error["retryable"]), raised
        assert error.get("message_contains", "") in str(raised)
        assert raised.status == error.get("status", raised.status)
        assert raised.param == error.get("param", raised.param)
        assert raised.retry_after == error.get("retry_after_s", raised.retry_after)
        assert raised.partial is response
    right = {
        "text": response.partial,
        "text_raw": response.partial,
        "finish": lambda: response.finish_reason,
        "native_finish": lambda: response.native_finish_reason,
        "reasoning": lambda: response.reasoning,
        "tool_calls": lambda: [
            [c["id"], c["function"]["name"], json.loads(c["function"]["arguments"])] for c in response.tool_calls
        ],
        "choices": lambda: [[c["message"]["content"], c["finish_reason"]] for c in response.json()["choices"]],
    }
    for name, value in right.items():
        if name in expect:
            assert value() == expect[name], name
    if "usage" in expect:
        assert {name: _count(response.usage(), COUNTS[name]) for name in expect["usage"]} == expect["usage"]
    if "logprobs" in expect:
        drawn = [[e["token"], _finite(e["logprob"]), len(e.get("top_logprobs") or ())] for e in response.logprobs]
        assert drawn == (expect["logprobs"] or [])
    if "top" in expect:
        assert [[e["token"], _finite(e["logprob"])] for e in response.logprobs[0]["top_logprobs"]] == expect["top"]


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None


def _count(usage: Any, path: tuple[str, ...]) -> Any:
    for name in path:
        usage = (usage or {}).get(name)
    return usage
