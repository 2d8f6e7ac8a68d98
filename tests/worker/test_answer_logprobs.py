"""Log probabilities of an answer: one entry a token, sorted, bytes as they are."""

from __future__ import annotations

import math

import pytest

from tests.worker.asking import Asker


def test_an_entry_for_every_token(ask: Asker) -> None:
    """Each token has its value, its bytes and exactly k alternatives, best first, that are no more than certain."""
    response = ask("hi", temperature=1, seed=5, max_tokens=40, logprobs=True, top_logprobs=20, logit_bias={2: -100})
    text = response.text()
    entries = response.logprobs
    assert len(entries) == response.usage()["completion_tokens"]
    assert b"".join(bytes(e["bytes"]) for e in entries).decode("utf-8", "replace") == text
    for entry in entries:
        top = entry["top_logprobs"]
        values = [t["logprob"] for t in top]
        assert len(top) == 20
        assert values == sorted(values, reverse=True)
        assert sum(map(math.exp, values)) < 1
        same = [t["logprob"] for t in top if (t["token"], t["bytes"]) == (entry["token"], entry["bytes"])]
        assert same in ([], [entry["logprob"]])
        assert set(entry) == {"token", "id", "logprob", "bytes", "top_logprobs"}
        assert all(set(t) == {"token", "id", "logprob", "bytes"} for t in top)
        assert len({t["id"] for t in top}) == 20


def test_they_are_of_the_model_not_of_the_filter(ask: Asker) -> None:
    """Values are taken before any sampling filter: temperature, top_k and bans do not change them."""
    plain = ask("hi", max_tokens=1, logprobs=True, top_logprobs=5)
    other = ask("hi", max_tokens=1, logprobs=True, top_logprobs=5, temperature=2, top_k=1, logit_bias={})
    plain.text(), other.text()
    first, second = (r.logprobs[0]["top_logprobs"] for r in (plain, other))
    assert [t["token"] for t in first] == [t["token"] for t in second]
    assert [t["logprob"] for t in first] == pytest.approx([t["logprob"] for t in second], abs=1e-4)


def test_none_are_given_unasked(ask: Asker) -> None:
    """Without logprobs there are none; with logprobs and no top_logprobs there are no alternatives."""
    assert ask("hi", max_tokens=2).logprobs == []
    bare = ask("hi", max_tokens=2, logprobs=True).logprobs
    assert [e["top_logprobs"] for e in bare] == [[], []]


def test_bytes_of_half_a_character(ask: Asker) -> None:
    """A token that is a part of a character gives its bytes; its text is U+FFFD."""
    lead = _token_of(0xE2)
    response = ask("hi", max_tokens=2, logprobs=True, logit_bias={lead: 100})
    assert response.text() == "��"
    assert [e["bytes"] for e in response.logprobs] == [[0xE2], [0xE2]]
    assert response.logprobs[0]["token"] == "�"


def _token_of(byte: int) -> int:
    """The id of a byte's token in a model of random weights: behind three control tokens, in the order of the bytes."""
    return 3 + byte
