"""Log probabilities of the prompt, alternatives beyond twenty, and values after the filters."""

from __future__ import annotations

import math

import pytest

from modelhub.errors import BadRequest
from tests.worker.asking import ENDLESS, Asker


def test_every_token_of_the_prompt_has_an_entry(ask: Asker) -> None:
    """The entries are the rendered prompt, token by token; only the first has no value."""
    response = ask("tell me of the sea", prompt_logprobs=3, max_tokens=1)
    entries = response.prompt_logprobs
    assert len(entries) == response.usage()["prompt_tokens"]
    assert "".join(e["token"] for e in entries) == response.debug["prompt"]
    assert entries[0]["logprob"] is None and entries[0]["top_logprobs"] == []
    for entry in entries[1:]:
        assert entry["logprob"] <= 0 and len(entry["top_logprobs"]) == 3
        assert entry["logprob"] <= entry["top_logprobs"][0]["logprob"]


def test_they_are_what_the_model_would_have_said(ask: Asker) -> None:
    """A token's value in a prompt is the value it had when the model drew it."""
    first = ask("count", max_tokens=30, logprobs=True, logit_bias=ENDLESS)
    drawn = first.logprobs
    prompt = [{"role": "user", "content": "count"}, {"role": "assistant", "content": first.text()}]
    read = ask(prompt, max_tokens=1, prompt_logprobs=0).prompt_logprobs
    begin = first.usage()["prompt_tokens"]
    # The random model's text does not always tokenise to the tokens that were drawn: as far as it does.
    same = 0
    for entry, other in zip(drawn, read[begin:], strict=False):
        if entry["id"] != other["id"]:
            break
        assert other["logprob"] == pytest.approx(entry["logprob"], abs=0.02)
        same += 1
    assert same >= 1


def test_a_prompt_in_memory_has_them_too(ask: Asker) -> None:
    """A prompt that was read before gives the same values again, and so do choices that share it."""
    once = ask("again and again", prompt_logprobs=0, max_tokens=2, n=3)
    again = ask("again and again", prompt_logprobs=0, max_tokens=2)
    values = [[e["logprob"] for e in r.prompt_logprobs[1:]] for r in (once, again)]
    assert values[0] == pytest.approx(values[1], abs=0.01)
    assert again.usage()["prompt_tokens_details"]["cached_tokens"] == 0
    assert once.text(2) == once.text(0)


def test_none_are_given_unasked(ask: Asker) -> None:
    """Without prompt_logprobs there are none, and the completion has no such key."""
    response = ask("hi", max_tokens=1)
    assert response.prompt_logprobs == [] and "prompt_logprobs" not in response.json()
    asked = ask("hi", max_tokens=1, prompt_logprobs=1)
    assert asked.json()["prompt_logprobs"] == asked.prompt_logprobs


def test_more_than_twenty_alternatives(ask: Asker) -> None:
    """n_probs gives as many as are asked for, without logprobs too, at most the vocabulary; their sum is then 1."""
    for asked, given in ((0, 0), (50, 50), (4096, 512)):
        entry = ask("hi", max_tokens=1, n_probs=asked).logprobs[0]
        assert len(entry["top_logprobs"]) == given
    assert sum(math.exp(t["logprob"]) for t in entry["top_logprobs"]) == pytest.approx(1, abs=1e-5)
    assert sorted(t["id"] for t in entry["top_logprobs"]) == list(range(512))


def test_after_the_filters_too(ask: Asker) -> None:
    """post_sampling_probs adds each token's value after the filters, None for those they dropped."""
    response = ask(
        "hi", temperature=0.5, top_k=2, logprobs=True, top_logprobs=6, post_sampling_probs=True, max_tokens=9
    )
    for entry in response.logprobs:
        left = [t["post_sampling_logprob"] for t in entry["top_logprobs"] if t["id"] > 2]
        assert sum(v is not None for v in left) == 2
        assert sum(math.exp(v) for v in left if v is not None) == pytest.approx(1, abs=1e-5)
        assert entry["post_sampling_logprob"] in left
    assert "post_sampling_logprob" not in ask("hi", logprobs=True, max_tokens=1).logprobs[0]


def test_after_the_filters_needs_logprobs(ask: Asker) -> None:
    """Asked for without logprobs it is refused in one line."""
    with pytest.raises(BadRequest, match="post_sampling_probs needs logprobs=True or n_probs"):
        ask("hi", post_sampling_probs=True)
