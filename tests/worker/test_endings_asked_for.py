"""When an answer may end, and what it may not say."""

from __future__ import annotations

import pytest

from modelhub.errors import EngineFailed
from tests.worker.asking import ENDLESS, Asker

END = {0: -100, 1: -100, 2: 100}  # `<|im_end|>` before anything else


def test_min_tokens_puts_the_end_off(ask: Asker) -> None:
    """Before so many tokens the end tokens are not drawn; after them they are."""
    assert ask("hi", logit_bias=END).usage()["completion_tokens"] == 0
    for least in (1, 7):
        response = ask("hi", logit_bias=END, min_tokens=least)
        assert response.usage()["completion_tokens"] == least
        assert response.finish_reason == "stop"


def test_ignore_eos_goes_on_to_the_limit(ask: Asker) -> None:
    """The end tokens are never drawn: the answer ends by its limit, or by a stop text."""
    response = ask("hi", logit_bias=END, ignore_eos=True, max_tokens=30)
    assert response.usage()["completion_tokens"] == 30
    assert response.finish_reason == "length"
    stopped = ask("hi", logit_bias=END, ignore_eos=True, stop=response.text()[9:12])
    assert stopped.text() == response.text()[: response.text().index(response.text()[9:12])]
    assert stopped.finish_reason == "stop"


def test_a_suppressed_text_never_comes(ask: Asker) -> None:
    """However a text could be put together from tokens, it is not in the answer."""
    plain = ask("hi", temperature=1, seed=3, max_tokens=80).text()
    parts = {plain[i : i + n] for n in (1, 2, 3) for i in range(0, len(plain) - n, 7)}
    unwanted = sorted(p for p in parts if "\ufffd" not in p)[:40]
    assert any(u in plain for u in unwanted)
    for seed in range(6):
        text = ask("hi", temperature=1.5, seed=seed, max_tokens=150, suppress=unwanted).text()
        assert text and not [u for u in unwanted if u in text]


def test_a_text_of_two_tokens_is_suppressed(ask: Asker) -> None:
    """A text that only two tokens together make is suppressed too: the first may come, the second not after it."""
    a, b = 3 + ord("a"), 3 + ord("b")
    only = {t: -100 for t in range(512) if t not in (a, b)}
    free = ask("hi", temperature=1, seed=1, max_tokens=60, logit_bias=only).text()
    assert "ab" in free
    text = ask("hi", temperature=1, seed=1, max_tokens=60, logit_bias=only, suppress=["ab"]).text()
    assert set(text) <= {"a", "b"} and "ab" not in text and "a" in text
    text = ask("hi", temperature=1, seed=1, max_tokens=60, logit_bias=only, suppress=["aa", "bbb"]).text()
    assert "aa" not in text and "bbb" not in text and "bb" in text


def test_nothing_left_to_draw_is_an_error(ask: Asker) -> None:
    """Where every token is banned the answer ends in one line, and another beside it is as it would be alone."""
    beside = ask("go on", max_tokens=60)
    with pytest.raises(EngineFailed, match="every token is banned: allow some"):
        ask("hi", logit_bias=dict.fromkeys(range(512), -100)).text()
    assert beside.text() == ask("go on", max_tokens=60).text()


def test_a_control_token_can_be_suppressed_by_its_name(ask: Asker) -> None:
    """`logit_bias_by_text` reads the names of control tokens, so that an end can be banned by name."""
    names = {"<|endoftext|>": -100, "<|im_start|>": -100, "<|im_end|>": -100}
    same = ask("hi", max_tokens=20, logit_bias=ENDLESS).text()
    assert ask("hi", max_tokens=20, logit_bias={}, logit_bias_by_text=names).text() == same
