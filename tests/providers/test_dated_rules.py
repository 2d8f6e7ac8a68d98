"""Dated rules: what models do with fields, as it was known on a day, and who has the last word."""

from __future__ import annotations

import datetime
import tomllib
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from modelhub.errors import BadRequest
from modelhub.kernels.providers import records
from modelhub.kernels.providers.dialects import dialect
from modelhub.kernels.providers.providers import Providers
from modelhub.kernels.providers.rules import FieldRule
from tests.providers.talk import body, call, request, target

ROWS = tomllib.loads((Path(records.__file__).parent / "dated_rules.toml").read_text("utf-8"))["rule"]
ALWAYS = ["o1", "o3-mini", "o4-mini", "gpt-5", "gpt-5-mini-2025-08-07", "gpt-5.2-pro", "gpt-5.1-chat-latest"]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row['provider'][:20]} {row.get('model', '*')[:20]}")
def test_rows(row: dict[str, Any]) -> None:
    """Each row says since when and whence, names providers there are, and fields that their dialects know."""
    assert datetime.date.fromisoformat(row["since"]) <= datetime.date(2100, 1, 1)
    assert row["source"]
    for name in row["provider"].split("|"):
        known = dialect(records.packaged()[name].dialect).rules
        for names, changes in row.get("fields", {}).items():
            assert set(names.split("|")) <= set(known)
            assert set(changes) <= {f.name for f in fields(FieldRule)}
            assert changes.get("status", "honoured") in {"honoured", "no-op", "rejected"}
            assert changes.get("status", "honoured") == "honoured" or changes["note"]


@pytest.mark.parametrize("model", ALWAYS)
def test_models_that_always_reason(model: str) -> None:
    """They take no sampling fields and give no log probabilities; values that say nothing pass, and are not sent."""
    silent = {"temperature": 1, "top_p": 1, "presence_penalty": 0, "logprobs": False}
    assert body("openai", model=model, **silent).keys() == {"model", "messages", "stream", "stream_options", "store"}
    for wrong in (
        {"temperature": 0.5},
        {"top_p": 0.5},
        {"presence_penalty": 1},
        {"logprobs": True},
        {"logit_bias": {1: 1}},
    ):
        with pytest.raises(BadRequest, match="always reasons"):
            call("openai", request(**wrong), model)
    assert body("openai", model=model, max_tokens=5)["max_completion_tokens"] == 5


def test_stop_of_models_that_reason() -> None:
    """o3 and later take no stop text; o1 and those that need not reason do."""
    for model in ("o3", "gpt-5-mini"):
        with pytest.raises(BadRequest, match="takes none"):
            call("openai", request(stop="x"), model)
    for model in ("o1", "gpt-5.1", "gpt-4.1"):
        assert body("openai", model=model, stop="x")["stop"] == "x"


def test_models_that_reason_when_told_to() -> None:
    """Sampling goes with reasoning_effort none, said or by default, and is refused with what to say otherwise."""
    assert body("openai", model="gpt-5.1", temperature=0.5, logprobs=True)["temperature"] == 0.5
    assert body("openai", model="gpt-5.5", temperature=0.5, reasoning_effort="none")["temperature"] == 0.5
    for model, effort in (("gpt-5.1", "low"), ("gpt-5.5", None), ("gpt-5.6", "high")):
        with pytest.raises(BadRequest, match=r"temperature=0.5 .* say reasoning_effort='none'"):
            call("openai", request(temperature=0.5, reasoning_effort=effort), model)
    assert body("openai", model="gpt-5.5", temperature=1)["temperature"] == 1


def test_models_nobody_knows() -> None:
    """Of a model that no row names, everything passes."""
    made = body("openai", model="gpt-9", temperature=0.5, logprobs=True, stop="x", top_p=0.5, seed=1)
    assert {"temperature", "logprobs", "stop", "top_p", "seed"} <= made.keys()


def test_search_models() -> None:
    """Models that search the web refuse what they do not take."""
    for wrong in ({"temperature": 1}, {"n": 1}, {"seed": 1}, {"logprobs": True}):
        with pytest.raises(BadRequest, match="search the web"):
            call("openai", request(**wrong), "gpt-4o-search-preview-2025-03-11")


def test_grok() -> None:
    """xAI's reasoning models refuse penalties and stop; those that do not reason take them."""
    for model in ("grok-4", "grok-3-mini", "grok-4-fast-reasoning"):
        with pytest.raises(BadRequest, match="refuse it"):
            call("xai", request(stop="x"), model)
    assert body("xai", model="grok-4-fast-non-reasoning", stop="x")["stop"] == "x"
    assert body("xai", model="grok-3", stop="x")["stop"] == "x"


def test_deepseek() -> None:
    """What DeepSeek ignores while it thinks is warned of; what it does not have is refused."""
    asked = request(temperature=0.5)
    (warning,) = Providers().check(asked, target("deepseek", "deepseek-v4-pro"))
    assert warning == (
        "temperature has no effect while deepseek/deepseek-v4-pro reasons; "
        'extra_body={"thinking": {"type": "disabled"}} makes it answer at once'
    )
    off = request(temperature=0.5, extra_body={"thinking": {"type": "disabled"}})
    assert Providers().check(off, target("deepseek", "deepseek-v4-pro")) == []
    assert Providers().check(asked, target("deepseek", "deepseek-chat")) == []
    (older,) = Providers().check(asked, target("deepseek", "deepseek-reasoner"))
    assert older.startswith("temperature has no effect here: ")
    with pytest.raises(BadRequest, match="ask deepseek-chat"):
        call("deepseek", request(logprobs=True), "deepseek-reasoner")


def test_the_model_behind_a_slash() -> None:
    """A row holds for a model's id with its maker's name before it, and without regard to case."""
    Providers().add("gate", base_url="http://127.0.0.1:9/v1", like="openai")
    for model in ("openai/o3-mini", "OpenAI/O3-Mini"):
        assert body("gate", model=model, max_tokens=5)["max_completion_tokens"] == 5


def test_the_user_has_the_last_word(home: Path) -> None:
    """A user's rows come after the packaged ones, and what a provider of the user's own says after all rows."""
    home.mkdir(parents=True, exist_ok=True)
    row = """
[[rule]]
provider = "groq"
model = "tape-*"
since = "2026-11-21"
source = "me"
fields = { logprobs = { status = "honoured" }, seed = { wire = "random_seed" } }
"""
    (home / "provider_rules.toml").write_text(row)
    assert body("groq", model="tape-1", logprobs=True, seed=1)["random_seed"] == 1
    with pytest.raises(BadRequest):
        call("groq", request(logprobs=True), "other")
    Providers().add("mine", base_url="http://127.0.0.1:9/v1", dialect="groq", fields={"n": {"status": "honoured"}})
    assert body("mine", n=3)["n"] == 3
    with pytest.raises(BadRequest):
        call("mine", request(logprobs=True))


def test_a_status_says_all_of_a_rule() -> None:
    """A row that changes a field's status leaves nothing of what was said of it before."""
    assert target("vllm").rules["x_modelhub.top_k"] == FieldRule("honoured")
    assert "extra_body" in target("openai").rules["x_modelhub.top_k"].note
    assert target("hf").rules["top_logprobs"].high == 5
