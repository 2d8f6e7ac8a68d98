"""The static token view: what it shows of each token, how small it is."""

from __future__ import annotations

import math
from typing import Any

import pytest

from modelhub.kernels.hub import Hub
from modelhub.nbext.answer import MIME, bundle
from modelhub.nbext.token_view import DOUBTFUL, TINTS, token_view
from tests.nbext.answers import Page, entry

STORY: dict[str, Any] = {
    "temperature": 1,
    "seed": 3,
    "max_tokens": 200,
    "logprobs": True,
    "top_logprobs": 5,
    "logit_bias": {2: -100},
}


def test_a_real_answer_stays_small(hub: Hub) -> None:
    """With 5 alternatives the running view of a real answer takes under 100 bytes a token beside its text."""
    response = hub.chat("Tell me a story.", **STORY)
    text, entries = response.text(), response.logprobs
    running = token_view(entries).partition("<details>")[0]
    assert (len(running.encode()) - len(text.encode())) / len(entries) < 100


def test_a_real_answer(hub: Hub) -> None:
    """Every token of a real answer stands in the view, once; the table of the doubtful ones does not grow with it."""
    response = hub.chat("Tell me a story.", **STORY)
    text, entries = response.text(), response.logprobs
    assert len(entries) > 60
    running, _, table = token_view(entries).partition("<details>")
    assert len(table.encode()) < 700 * DOUBTFUL
    assert len(running.encode()) < 150 * len(entries)
    data, _ = bundle(response)
    page = Page(data["text/html"])
    assert text.split()[0] in page.text
    assert len(data[MIME]["choices"][0]["logprobs"]) == len(entries)
    assert page.tags.count("span") == len(entries)
    assert page.tags.count("tr") == DOUBTFUL + 1


def test_what_a_token_shows() -> None:
    """A token bears its text, its alternatives on hover and the tint of its probability."""
    page = Page(token_view([entry(" Paris", math.log(0.95), [(" Paris", math.log(0.95)), ("\n", math.log(0.002))])]))
    (title,) = page.values("title")
    assert title == "␣Paris 95%, ⏎ 0.2%"
    assert f"background:{TINTS[0][1]}" in page.values("style")
    assert " Paris" in page.text
    assert "1 token, perplexity 1.05" in page.text


@pytest.mark.parametrize(
    ("probability", "shown"), [(1.0, "100%"), (0.0994, "9.9%"), (0.1, "10%"), (0.0006, "0.1%"), (1e-9, "<0.1%")]
)
def test_percentages(probability: float, shown: str) -> None:
    """Probabilities are shown with the digits that count."""
    assert Page(token_view([entry("x", math.log(probability))])).values("title") == {shown}


def test_each_probability_has_its_tint() -> None:
    """The less probable a token, the later its tint in the scale; even an impossible one has one."""
    shown = [f"background:{tint}" for _, tint in TINTS]
    for probability, wanted in [(0.99, 0), (0.9, 0), (0.89, 1), (0.5, 2), (0.3, 3), (0.1, 4), (0.05, 5), (1e-9, 5)]:
        assert shown[wanted] in Page(token_view([entry("x", math.log(probability) + 1e-12)])).values("style")


def test_an_impossible_token_can_be_shown() -> None:
    """A logprob of -9999, OpenAI's word for none, has a tint and a percentage like any other."""
    assert Page(token_view([entry("x", -9999.0)])).values("title") == {"<0.1%"}


def test_what_cannot_be_seen_gets_a_sign() -> None:
    """Blanks, newlines, tabs, control characters and empty tokens can be told apart in the table and on hover."""
    page = Page(token_view([entry(t, -1.0 - i) for i, t in enumerate(["a\nb", "\t", " ", "", "\x07", "x" * 40])]))
    for sign in ("a⏎\nb", "⇥", "␣", "∅", "xxxxxxxxxxx…"):
        assert sign in page.text


def test_the_least_certain_tokens_are_listed() -> None:
    """The table has the tokens of least probability in the order of the text, by their position."""
    view = token_view([entry(f"t{i}", -0.01 if i % 3 else -float(i)) for i in range(30)])
    rows = Page(view.partition("<tbody>")[2])
    assert [f"t{i}" in rows.text for i in range(3, 30, 3)] == [False] + [True] * 8
    assert rows.text.index("t6") < rows.text.index("t27")
    assert token_view([]) == ""
