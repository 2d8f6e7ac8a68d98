"""Every sampler leaves what its definition says: the worker's own report of each token against numpy."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from tests.worker import sampling_oracle as oracle
from tests.worker.asking import Asker
from tests.worker.sampling_oracle import Distribution

VOCABULARY = 512
ENDS = [0, 1, 2]
BYTE = 3  # the token of byte 0; the others follow it
FULL = {"n_probs": VOCABULARY, "post_sampling_probs": True, "temperature": 1, "max_tokens": 12}
Step = tuple[int, Distribution, Distribution]  # the token drawn, all before the samplers, what they left


def steps(ask: Asker, **options: Any) -> list[Step]:
    """An answer token by token; natural log probabilities by token id."""
    response = ask("hi", **{"seed": 4, **FULL, **options})
    response.text()
    found = []
    for entry in response.logprobs:
        before = {t["id"]: t["logprob"] for t in entry["top_logprobs"]}
        left = {t["id"]: t["post_sampling_logprob"] for t in entry["top_logprobs"]}
        assert len(before) == VOCABULARY
        found.append((entry["id"], before, {t: v for t, v in left.items() if v is not None}))
    assert len(found) == options.get("max_tokens", 12)
    return found


def agree(left: Distribution, expected: Distribution) -> None:
    """The two leave the same tokens, but for rounding at the border, with the same probabilities."""
    likely = {t for t, v in expected.items() if v > -80}  # below, a float of 32 bits has no probability
    differ = likely ^ {t for t, v in left.items() if v > -80}
    assert len(differ) <= 1, sorted(differ)
    for token in likely & set(left):
        # a probability of one in ten million is within the rounding of a float
        assert left[token] == pytest.approx(expected[token], abs=2e-2 if differ else 2e-3), token


FILTERS: list[tuple[dict[str, Any], Callable[[Distribution], Distribution]]] = [
    ({"top_k": 7}, lambda d: oracle.top_k(d, 7)),
    ({"top_k": 0}, lambda d: d),
    ({"top_p": 0.6}, lambda d: oracle.top_p(d, 0.6)),
    ({"top_p": 0.001, "min_keep": 9}, lambda d: oracle.top_p(d, 0.001, 9)),
    ({"min_p": 0.2}, lambda d: oracle.min_p(d, 0.2)),
    ({"min_p": 0.999, "min_keep": 5}, lambda d: oracle.min_p(d, 0.999, 5)),
    ({"typical_p": 0.3}, lambda d: oracle.typical(d, 0.3)),
    ({"top_n_sigma": 1.5}, lambda d: oracle.top_n_sigma(d, 1.5)),
    ({"xtc_probability": 1, "xtc_threshold": 0.005}, lambda d: oracle.xtc(d, 0.005)),
    ({"xtc_probability": 1, "xtc_threshold": 0.6}, lambda d: d),
    ({"temperature": 0.5}, lambda d: oracle.tempered(d, 0.5)),
    ({"temperature": 1.7}, lambda d: oracle.tempered(d, 1.7)),
    ({"temperature": 0.8, "dynatemp_range": 0.5}, lambda d: oracle.dynamic(d, 0.8, 0.5, 1, VOCABULARY)),
    (
        {"temperature": 0.8, "dynatemp_range": 0.5, "dynatemp_exponent": 3},
        lambda d: oracle.dynamic(d, 0.8, 0.5, 3, VOCABULARY),
    ),
    (
        {"top_k": 40, "typical_p": 0.9, "top_p": 0.8, "min_p": 0.1, "temperature": 1.5},
        lambda d: oracle.tempered(oracle.min_p(oracle.top_p(oracle.typical(oracle.top_k(d, 40), 0.9), 0.8), 0.1), 1.5),
    ),
    (
        {"top_n_sigma": 2, "top_k": 30, "xtc_probability": 1, "xtc_threshold": 0.02, "temperature": 0.7},
        lambda d: oracle.tempered(oracle.xtc(oracle.top_k(oracle.top_n_sigma(d, 2), 30), 0.02), 0.7),
    ),
]


@pytest.mark.parametrize(("options", "expected"), FILTERS, ids=lambda v: str(v) if isinstance(v, dict) else "")
def test_a_filter_leaves_what_it_should(
    ask: Asker, options: dict[str, Any], expected: Callable[[Distribution], Distribution]
) -> None:
    """Which tokens are left, and their probabilities, are those of the filter's definition, at every token."""
    for token, before, left in steps(ask, **options):
        agree(left, expected(oracle.banned(before, ENDS)))
        assert token in left


def test_xtc_happens_as_often_as_it_should(ask: Asker) -> None:
    """With a probability of 0.3 about 3 in 10 tokens are drawn without the most probable ones."""
    found = steps(ask, xtc_probability=0.3, xtc_threshold=0.001, max_tokens=150, n_probs=VOCABULARY)
    dropped = sum(max(oracle.banned(b, ENDS), key=lambda t: b[t]) not in left for _, b, left in found)
    assert 20 <= dropped <= 75


@pytest.mark.parametrize(
    ("options", "repeat", "frequency", "presence", "last"),
    [
        ({"frequency_penalty": 1.5}, 1, 1.5, 0, 99),
        ({"presence_penalty": -1.5}, 1, 0, -1.5, 99),
        ({"repeat_penalty": 1.8}, 1.8, 0, 0, 99),
        ({"repeat_penalty": 1.3, "frequency_penalty": 0.5, "presence_penalty": 0.5}, 1.3, 0.5, 0.5, 99),
        ({"frequency_penalty": 2, "repeat_last_n": 3}, 1, 2, 0, 3),
        ({"frequency_penalty": 2, "repeat_last_n": 0}, 1, 0, 0, 0),
    ],
)
def test_penalties_look_back_over_the_answer(
    ask: Asker, options: dict[str, Any], repeat: float, frequency: float, presence: float, last: int
) -> None:
    """Each token drawn before lowers its own logit, as OpenAI and Keskar 2019 define it; -1 looks back over it all."""
    seen: list[int] = []
    # Few tokens to choose from, so that they come again.
    some = dict.fromkeys([*ENDS, *range(8, VOCABULARY)], -100)
    for token, before, left in steps(ask, logit_bias=some, max_tokens=20, **options):
        possible = {t: before[t] for t in range(3, 8)}
        if repeat == 1:  # the repetition penalty depends on the logits' zero, which log probabilities do not have
            window = seen[-last:] if last else []
            agree(left, oracle.penalised(possible, possible, window, repeat, frequency, presence))
        else:
            plain = oracle.normal(possible)
            fresh, old = [t for t in left if t not in seen], [t for t in left if t in seen]
            for one in fresh:
                for other in old:  # what was seen lost against what was not
                    assert left[one] - left[other] > plain[one] - plain[other] - 1e-3
        seen.append(token)
    assert len(set(seen)) < len(seen)


def test_dry_breaks_a_repetition(ask: Asker) -> None:
    """A token that would go on a repetition is penalised, more so the longer it is; breakers end a repetition."""
    some = dict.fromkeys([*ENDS, *range(6, VOCABULARY)], -100)
    for breakers, tokens in (([chr(1)], {4}), (["\n"], set())):  # byte tokens 3, 4, 5 are characters 0, 1, 2
        options = {"dry_multiplier": 1.5, "dry_base": 1.4, "dry_allowed_length": 2, "dry_sequence_breakers": breakers}
        seen: list[int] = []
        penalised = 0
        for token, before, left in steps(ask, logit_bias=some, max_tokens=60, **options):
            possible = oracle.normal({t: before[t] for t in range(3, 6)})
            expected = oracle.dry(possible, seen, tokens, 1.5, 1.4, 2)
            agree(left, expected)
            penalised += any(abs(expected[t] - possible[t]) > 0.5 for t in expected)
            seen.append(token)
        assert penalised > 5


def test_dry_looks_back_only_so_far(ask: Asker) -> None:
    """With dry_penalty_last_n what was said earlier may be said again."""
    some = dict.fromkeys([*ENDS, *range(6, VOCABULARY)], -100)
    for _, before, left in steps(ask, logit_bias=some, max_tokens=30, dry_multiplier=5, dry_penalty_last_n=2):
        agree(left, oracle.normal({t: before[t] for t in range(3, 6)}))


@pytest.mark.parametrize("version", [1, 2])
def test_mirostat_aims_at_a_surprise(ask: Asker, version: int) -> None:
    """What is left follows from mu, and mu from how surprising the tokens drawn before were."""
    tau, eta = 4.0, 0.5
    mu = 2 * tau
    found = steps(ask, mirostat=version, mirostat_tau=tau, mirostat_eta=eta, temperature=1.2, max_tokens=60)
    for token, before, left in found:
        d = oracle.tempered(oracle.banned(before, ENDS), 1.2)
        expected = oracle.mirostat_2(d, mu) if version == 2 else oracle.mirostat_1(d, mu, VOCABULARY)
        assert abs(len(left) - len(expected)) <= 2
        assert {*oracle.ranked(expected)[:-2]} <= {*left}
        mu -= eta * (-left[token] / np.log(2) - tau)
    surprises = [-left[token] / np.log(2) for token, _, left in found[10:]]
    assert np.mean(surprises) == pytest.approx(tau, abs=1.0)


def test_greedy_leaves_one(ask: Asker) -> None:
    """At temperature 0 one token is left, with certainty, whatever else is asked."""
    for token, before, left in steps(ask, temperature=0, mirostat=2, xtc_probability=1, dynatemp_range=0.5):
        assert left == {token: 0.0}
        assert token == oracle.ranked(oracle.banned(before, ENDS))[0]


def test_a_bias_is_added_to_the_logit(ask: Asker) -> None:
    """A bias adds its value, by id or by text; where both name a token, the id's counts; -100 bans."""
    for _, before, left in steps(ask, logit_bias={0: -100, 1: -100, 2: -100, 300: 2.5, 301: -3}):
        agree(left, oracle.biased(oracle.banned(before, ENDS), {300: 2.5, 301: -3}))
    by_text = {"<|im_end|>": -100, "th": 4, "q": 1, "z": -100}
    the, q, z = 259, BYTE + ord("q"), BYTE + ord("z")
    for _, before, left in steps(ask, logit_bias={0: -100, 1: -100, q: -3}, logit_bias_by_text=by_text):
        agree(left, oracle.biased(oracle.banned(before, [*ENDS, z]), {the: 4, q: -3}))


def test_the_chain_that_ran_is_reported(ask: Asker) -> None:
    """debug lists every sampler with its values, in the order in which they ran."""
    response = ask(
        "hi", temperature=0.5, dynatemp_range=0.25, top_k=7, min_p=0.25, typical_p=0.9, top_p=0.8, top_n_sigma=2,
        xtc_probability=0.5, dry_multiplier=1, repeat_penalty=1.1, frequency_penalty=0.5, repeat_last_n=64,
        suppress=["x"], min_tokens=1, seed=9, max_tokens=2,
    )  # fmt: skip
    response.text()
    assert response.debug["sampling"] == [
        "min_tokens(1)", "suppress(1)", "logit_bias(3)",
        "penalties(repeat=1.1, frequency=0.5, presence=0, last=64)",
        "dry(multiplier=1, base=1.75, allowed=2, last=512)",
        "top_n_sigma(2)", "top_k(7)", "typical_p(0.9)", "top_p(0.8)", "min_p(0.25)",
        "xtc(probability=0.5, threshold=0.1)", "temperature(0.25 to 0.75, exponent=1)", "draw(seed=9)",
    ]  # fmt: skip
    assert ask("hi", mirostat=1, temperature=0.5, seed=9, max_tokens=2, logit_bias={}).text() is not None
