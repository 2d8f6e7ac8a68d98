"""The sample replies of those who speak as OpenAI does, read by the dialect alone."""

from __future__ import annotations

import json
from typing import Any

import pytest

from modelhub.errors import HubError
from modelhub.kernels.providers import records
from modelhub.kernels.providers.dialects import dialect
from modelhub.kernels.providers.providers import Providers
from tests.providers.cases import Case, cases
from tests.providers.talk import answered, request

OURS = {"openai", "azure"}


def record(case: Case) -> str:
    """The packaged record that a case is of."""
    return records.ALIASES.get(case.dialect, case.dialect)


READ = [
    case
    for case in cases()
    if record(case) in records.packaged()
    and records.packaged()[record(case)].dialect in OURS
    and case.kind in {"stream", "chat"}
    and "html" not in case.headers["content-type"]
    and "rst_after_bytes" not in case.transport
]


@pytest.mark.parametrize("case", READ, ids=lambda case: case.name)
def test_samples(case: Case) -> None:
    """Text, thoughts, calls, counts, log probabilities and errors are what the manifest says."""
    name, expect = record(case), case.expect
    if name == "azure":
        name = Providers().add("work", base_url="https://res.openai.azure.com", dialect="azure").name
    wanted = {"logprobs": True, "top_logprobs": 2} if {"logprobs", "top"} & set(expect) else {}
    fields = {k: v for k, v in case.request.items() if k != "stream_options"}
    asked = request(**{**wanted, **fields})
    if "error" in expect:
        with pytest.raises(HubError):
            answered(name, case.body, case.headers, asked)
        return
    response = answered(name, case.body, case.headers, asked)
    made = response.json()
    assert [made["choices"][0]["message"]["content"] or "", made["choices"][0]["finish_reason"]] == [
        expect.get("text", expect.get("text_raw", made["choices"][0]["message"]["content"])),
        expect.get("finish", made["choices"][0]["finish_reason"]),
    ]
    for index, (text, finish) in enumerate(expect.get("choices", ())):
        choice = made["choices"][index]
        assert (choice["message"]["content"], choice["finish_reason"]) == (text, finish)
    assert response.reasoning == expect.get("reasoning", response.reasoning)
    counts = {**expect.get("usage", {})}
    assert counts.pop("reasoning", 0) in {0, _detail(response.usage(), "completion_tokens_details", "reasoning_tokens")}
    for word, count in counts.items():
        assert response.usage()[word if word == "cost" else f"{word}_tokens"] == count
    if "logprobs" in expect:
        drawn = [[e["token"], e["logprob"], len(e["top_logprobs"])] for e in response.logprobs]
        assert drawn == (expect["logprobs"] or [])
    if "top" in expect:
        tops = [[t["token"], None if t["logprob"] == float("-inf") else t["logprob"]]
                for t in response.logprobs[0]["top_logprobs"]]  # fmt: skip
        assert tops == expect["top"]
    calls = [[c["id"], c["function"]["name"], json.loads(c["function"]["arguments"])] for c in response.tool_calls]
    assert calls == expect.get("tool_calls", calls)


def test_there_are_samples() -> None:
    """The samples are found."""
    assert len(READ) > 25
    assert dialect("openai").name == "openai"


def _detail(usage: dict[str, Any], part: str, name: str) -> int:
    found: int = (usage.get(part) or {}).get(name, 0)
    return found
