"""How a token is drawn: every parameter does what it says, over a real worker."""

from __future__ import annotations

from typing import Any

import pytest

from modelhub.errors import BadRequest
from tests.worker.asking import ENDLESS, Asker

DRAWN = {"temperature": 1, "max_tokens": 8}


@pytest.mark.parametrize("seed", [0, 7, -1, 2**32 - 1, 2**63 - 1])
def test_a_seed_repeats_the_answer(ask: Asker, seed: int) -> None:
    """The same seed gives the same text, also one that is negative or longer than 32 bits."""
    texts = {ask("hi", seed=seed, **DRAWN).text() for _ in range(3)}
    assert len(texts) == 1


def test_other_seeds_draw_other_answers(ask: Asker) -> None:
    """Different seeds, and no seed, give different texts; the seed drawn is reported and repeats the answer."""
    assert len({ask("hi", seed=seed, **DRAWN).text() for seed in range(5)}) == 5
    one, other = ask("hi", **DRAWN), ask("hi", **DRAWN)
    assert one.text() != other.text()
    assert ask("hi", seed=one.debug["seed"], **DRAWN).text() == one.text()


def test_choice_i_has_seed_plus_i(ask: Asker) -> None:
    """Each of n choices is what a request of one with its seed would have been; the prompt is counted once."""
    several = ask("hi", n=4, seed=11, **DRAWN)
    alone = [ask("hi", seed=11 + i, **DRAWN) for i in range(4)]
    assert [several.text(i) for i in range(4)] == [one.text() for one in alone]
    assert several.usage()["prompt_tokens"] == alone[0].usage()["prompt_tokens"]
    assert several.usage()["completion_tokens"] == 4 * 8


@pytest.mark.parametrize(
    "options",
    [
        {"temperature": 0},
        {"temperature": 1e-7},
        {"temperature": 1e-40},
        {"temperature": 1, "top_k": 1},
        {"temperature": 1, "top_p": 0},
        {"temperature": 1, "top_p": 1e-9},
        {"temperature": 1, "min_p": 1},
    ],
)
def test_greedy_in_every_way(ask: Asker, options: dict[str, Any]) -> None:
    """Temperature 0 and nearly 0, top_k 1, top_p 0 and min_p 1 each draw the most probable token every time."""
    response = ask("hi", max_tokens=30, logprobs=True, top_logprobs=20, seed=3, **options)
    assert response.text() == ask("hi", max_tokens=30).text()
    for entry in response.logprobs:
        possible = [t["token"] for t in entry["top_logprobs"] if t["token"] not in CONTROLS]
        assert entry["token"] == possible[0]


CONTROLS = {"<|endoftext|>", "<|im_start|>", "<|im_end|>"}


@pytest.mark.parametrize(("options", "most"), [({"top_k": 3}, 3), ({"min_p": 0.7}, 20), ({"top_p": 0.1}, 20)])
def test_a_filter_leaves_only_probable_tokens(ask: Asker, options: dict[str, Any], most: int) -> None:
    """Every drawn token is among the probable ones that the filter leaves, and not always the first."""
    response = ask("hi", temperature=2, max_tokens=200, logprobs=True, top_logprobs=20, seed=3, **options)
    response.text()
    places = []
    for entry in response.logprobs:
        top = [t for t in entry["top_logprobs"] if t["token"] not in CONTROLS]
        places.append([t["token"] for t in top].index(entry["token"]))
        if "min_p" in options:  # 0.7 times as probable as the best, at least
            assert entry["logprob"] >= top[0]["logprob"] - 0.3567
    assert 0 < max(places) < most


def test_a_ban_is_kept(ask: Asker) -> None:
    """A token of bias -100 never comes; one of bias 100 always does."""
    greedy = ask("hi", max_tokens=40, logprobs=True)
    greedy.text()
    words = {f"word{i}" for i in range(252)}  # token 260 + i, behind 3 control tokens, 256 bytes and `th`
    used = sorted({int(e["token"][4:]) + 260 for e in greedy.logprobs if e["token"] in words})
    banned = ask("hi", max_tokens=40, logprobs=True, logit_bias={**ENDLESS, **dict.fromkeys(used, -100)})
    banned.text()
    assert used and not {e["token"] for e in banned.logprobs} & {f"word{i - 260}" for i in used}
    assert ask("hi", max_tokens=3, temperature=1, logit_bias={300: 100}).text() == "word40" * 3


def test_a_bias_of_no_token_is_refused(ask: Asker) -> None:
    """A token id beyond the vocabulary is an error that says which ids there are."""
    with pytest.raises(BadRequest, match=r"there is no token 512, the last is 511"):
        ask("hi", logit_bias={512: 1}).text()
    with pytest.raises(BadRequest, match=r"logit_bias"):
        ask("hi", logit_bias={-1: 1})


def test_penalties_act_over_the_whole_context(ask: Asker) -> None:
    """Strong penalties leave no token twice; none leave some."""

    def tokens(**options: Any) -> list[str]:
        response = ask("hi", max_tokens=60, logprobs=True, **options)
        response.text()
        return [bytes(e["bytes"]).hex() for e in response.logprobs]

    plain = tokens()
    assert len(set(plain)) < len(plain)
    for options in ({"frequency_penalty": 2.0}, {"presence_penalty": 2.0}, {"repeat_penalty": 10.0}):
        assert len(set(tokens(**options))) > len(set(plain))


def test_what_was_used_is_reported(ask: Asker) -> None:
    """debug names the samplers that ran, the values that were used and the prompt as the model saw it."""
    response = ask("hi", temperature=0.5, top_k=7, min_p=0.25, seed=9, max_tokens=2)
    response.text()
    debug = response.debug
    assert debug["sampling"] == ["logit_bias(3)", "top_k(7)", "min_p(0.25)", "temperature(0.5)", "draw(seed=9)"]
    assert debug["prompt"] == "<|im_start|>user\nhi<|im_end|>\n<|im_start|>assistant\n"
    assert debug["request_parameters"]["top_k"] == 7
    assert debug["usage"]["prompt_tokens"] == debug["prompt_tokens"] == 21
