"""Requests that ended, hung or fooled llama.cpp: each is refused by name in one line, and harms no answer beside it."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest

from modelhub.errors import BadRequest, EngineCrashed, HubError
from modelhub.kernels.hub import Hub
from tests.worker.asking import ENDLESS, Asker, first_text, raw, sure

BESIDE = {"max_tokens": 200, "logprobs": True, "top_logprobs": 5}
TEXT = {"role": "user", "content": "hi"}

# Engine.md's grammars that ended the process, and some more.
GRAMMARS = ['root ::= "a', 'x ::= "a"', "root ::= y", 'root ::= root "a"', "root ::= " + "(" * 20_000,
            'root ::= "a"{1000000}', 'root ::= ("a"*)*', "", "\0"]  # fmt: skip

WRONG: list[tuple[dict[str, Any], str]] = [
    *(({"grammar": g}, "grammar") for g in GRAMMARS),
    ({"json_schema": {"type": 5}}, "json_schema"),
    ({"response_format": {"type": "json_schema"}}, "response_format"),
    ({"response_format": {"type": "json_schema", "json_schema": {"name": "x", "schema": {"$ref": "#"}}}}, "response"),
    ({"tools": [{"type": "function"}]}, "tools"),
    ({"logit_bias": {-1: 5}}, "logit_bias"),
    ({"logit_bias": {512: 5}}, "logit_bias"),
    ({"logit_bias": {2**31: 5}}, "logit_bias"),
    ({"logit_bias": {2**64: 5}}, "logit_bias"),
    ({"logit_bias": {"one": 5}}, "logit_bias"),
    ({"logit_bias": {"1.5": 5}}, "logit_bias"),
    ({"logit_bias": {1: 101}}, "logit_bias"),
    ({"logit_bias": {1: math.nan}}, "logit_bias"),
    ({"logit_bias": {1: "x"}}, "logit_bias"),
    ({"logit_bias": [1, 2]}, "logit_bias"),
    ({"stop": ""}, "stop"),
    ({"stop": [""]}, "stop"),
    ({"stop": ["a", ""]}, "stop"),
    ({"stop": 5}, "stop"),
    ({"max_tokens": 0}, "max_tokens"),
    ({"max_tokens": -5}, "max_tokens"),
    ({"max_tokens": 2.5}, "max_tokens"),
    ({"max_completion_tokens": 0}, "max_completion_tokens"),
    ({"n": 0}, "n"),
    ({"n": 129}, "n"),
    ({"n": 10**30}, "n"),
    ({"seed": 2**63}, "seed"),
    ({"seed": 1.5}, "seed"),
    ({"temperature": math.nan}, "temperature"),
    ({"temperature": math.inf}, "temperature"),
    ({"temperature": -0.1}, "temperature"),
    ({"top_p": 1.1}, "top_p"),
    ({"top_k": -1}, "top_k"),
    ({"top_k": 2**31}, "top_k"),
    ({"min_p": math.nan}, "min_p"),
    ({"typical_p": -1}, "typical_p"),
    ({"repeat_penalty": 0}, "repeat_penalty"),
    ({"repeat_last_n": -2}, "repeat_last_n"),
    ({"mirostat": 3}, "mirostat"),
    ({"mirostat": 1, "mirostat_tau": math.inf}, "mirostat_tau"),
    ({"dry_multiplier": 1, "dry_sequence_breakers": [""]}, "dry_sequence_breakers"),
    ({"dry_multiplier": 1, "dry_sequence_breakers": ["x"] * 65}, "dry_sequence_breakers"),
    ({"xtc_probability": 2}, "xtc_probability"),
    ({"suppress": [""]}, "suppress"),
    ({"logit_bias_by_text": {"": 1}}, "logit_bias_by_text"),
    ({"frequency_penalty": 3}, "frequency_penalty"),
    ({"logprobs": True, "top_logprobs": 21}, "top_logprobs"),
    ({"top_logprobs": 5}, "top_logprobs"),
    ({"n_probs": 10**6}, "n_probs"),
    ({"prompt_logprobs": -1}, "prompt_logprobs"),
    ({"x_modelhub": 5}, "x_modelhub"),
    ({"x_modelhub": {"abacus": 5}}, "abacus"),
    ({"abacus": 5}, "abacus"),
    ({"n_ctx": 5}, "n_ctx"),
    ({"type_k": 999}, "type_k"),
    ({"chat_template_kwargs": [1]}, "chat_template_kwargs"),
    ({"chat_template_kwargs": {"a": math.nan}}, "chat_template_kwargs"),
    ({"stream_options": {}}, "stream_options"),
]

SHAPES: list[Any] = [
    None,
    5,
    b"bytes",
    {"role": "user", "content": "hi"},
    [],
    [None],
    [[]],
    ["hi"],
    [{}],
    [{"role": "user", "content": 5}],
    [{"role": "abacus", "content": "hi"}],
    [{"role": "user", "content": ["hi"]}],
    [{"role": "user", "content": {"text": "hi"}}],
    [{"role": "user", "content": [{"type": "abacus", "text": "hi"}]}],
    [{"role": "user", "content": [{"type": "text"}, {"type": "image_url", "image_url": {"url": "data:,"}}]}],
    [{"role": "user", "content": [{"type": "input_audio", "input_audio": {"data": "", "format": "wav"}}]}],
    [{"role": "user", "content": "hi", "abacus": 5}],
    [{"role": "assistant", "tool_calls": [5]}],
    [{"role": "assistant", "tool_calls": [{"function": 5}]}],
    [{"role": "assistant", "tool_calls": [{"function": {"arguments": [object()]}}]}],
    [TEXT, {"role": "user", "content": "half \ud83d"}],
]

NAMES: list[Any] = ["", " ", 5, "\0.gguf", "x" * 5000, "..", "/", "/dev/zero", "/dev/null", "~nobody/x.gguf", "local/"]


@pytest.fixture
def beside(hub: Hub, long_gguf: Path) -> Any:
    """Have answers written while the test runs; then they are what they are alone, and the worker is the same."""
    ask = Asker(hub, long_gguf)
    alone = sure(ask("hi", **BESIDE))
    pid = hub.engine(str(long_gguf)).pid
    running = ask("hi", **BESIDE)
    first_text(running)
    yield ask
    assert raw(running).startswith(alone) and alone
    assert running.usage()["completion_tokens"] == BESIDE["max_tokens"]
    assert ask("hi", max_tokens=2).text()
    assert hub.engine(str(long_gguf)).pid == pid
    assert ask.running() == 0


def refused(ask: Asker, prompt: Any, **options: Any) -> HubError:
    """The error of a request that may not crash the worker, in one line."""
    with pytest.raises(HubError) as caught:
        ask(prompt, **{"max_tokens": 3, **options}).text()
    assert not isinstance(caught.value, EngineCrashed)
    assert "\n" not in str(caught.value) and 10 < len(str(caught.value)) < 500
    return caught.value


def test_fields_that_cannot_be(beside: Asker) -> None:
    """A value that is out of range, of no use or of another type is refused, and the message names its field."""
    for options, says in WRONG:
        raised = refused(beside, "hi", **options)
        assert isinstance(raised, BadRequest), (options, raised)
        assert says in str(raised), (options, raised)


def test_prompts_that_cannot_be(beside: Asker) -> None:
    """Messages of a wrong shape, images and sounds are refused, and nothing of them is rendered."""
    for prompt in SHAPES:
        raised = refused(beside, prompt)
        assert isinstance(raised, BadRequest), (prompt, raised)


def test_names_that_cannot_be(beside: Asker) -> None:
    """What is no model's name is said at once: devices are not read, odd paths are paths."""
    for name in NAMES:
        with pytest.raises(HubError) as caught:
            beside.hub.chat("hi", model=name)
        assert "\n" not in str(caught.value) and len(str(caught.value)) < 6000


@pytest.mark.parametrize(
    "options",
    [
        {"messages": []},
        {"self": 1},
        {"tools": 5, "bos_token": []},
        {"add_generation_prompt": False},
        {"not a name": {"deep": [None, 1.5, {"a": "b"}]}},
        {"range": 5, "loop": 1, "raise_exception": 3},
    ],
    ids=repr,
)
def test_template_arguments_of_any_name(beside: Asker, options: dict[str, Any]) -> None:
    """What the template is given beside the messages is taken or refused in one line."""
    try:
        assert beside("hi", max_tokens=2, chat_template_kwargs=options).text()
    except HubError as error:
        assert not isinstance(error, EngineCrashed)
        assert "\n" not in str(error) and not str(error).partition(": ")[2].startswith(("TypeError", "KeyError"))


@pytest.mark.parametrize(
    "options",
    [
        {"logit_bias": dict.fromkeys(range(512), -100)},
        {"logit_bias": {**ENDLESS, **dict.fromkeys(range(3, 512), -100)}},
        {"suppress": [chr(c) for c in range(33, 97)]},
        {"temperature": 2, "top_p": 0, "min_p": 1, "top_k": 1, "typical_p": 0, "min_keep": 0},
        {"temperature": 1, "mirostat": 1, "mirostat_tau": 1e-30, "mirostat_eta": 10},
        {"temperature": 1, "mirostat": 2, "mirostat_tau": 100, "mirostat_eta": 0},
        {"repeat_penalty": 10, "frequency_penalty": 2, "presence_penalty": 2, "repeat_last_n": 10**18},
        {"dry_multiplier": 100, "dry_base": 10, "dry_allowed_length": 0, "dry_sequence_breakers": ["\0", "\ud83d"]},
        {"dry_multiplier": 1, "dry_penalty_last_n": 2**62, "dry_sequence_breakers": []},
        {"temperature": 2, "dynatemp_range": 2, "dynatemp_exponent": 0},
        {"temperature": 1, "xtc_probability": 1, "xtc_threshold": 0, "min_keep": 10**6},
        {"temperature": 1, "top_n_sigma": 1e-30},
        {"min_tokens": 10**12, "ignore_eos": True},
        {"n": 128, "max_tokens": 1},
        {"logit_bias_by_text": {"x" * 5000: 100, "\ud83d": 1}},
        {"stop": ["\0", "x" * 100_000, "\ud83d"] + ["y"] * 1000},
        {"max_tokens": 10**30, "stop": "word"},
    ],
    ids=lambda options: ",".join(options),
)
def test_values_at_the_edge(beside: Asker, options: dict[str, Any]) -> None:
    """What is allowed and extreme answers, or is refused in one line; it never ends or holds up the worker."""
    try:
        beside("hi", **{"max_tokens": 3, **options}).text()
    except HubError as error:
        assert not isinstance(error, EngineCrashed)
        assert "\n" not in str(error)
