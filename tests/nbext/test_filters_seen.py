"""What the samplers did to a token can be seen: in the token view, in the record, and as bars."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from typing import Any

import pytest

import modelhub
from modelhub.errors import BadRequest
from modelhub.kernels.hub import Hub
from modelhub.kernels.response import Response
from modelhub.nbext.answer import MIME, bundle
from modelhub.nbext.distribution import ROWS, bars
from modelhub.nbext.token_view import BAR, HOVER, token_lines, token_view
from tests.kernel import Kernel
from tests.nbext.answers import Page, entry, finished

COLOUR = "Name a colour."
SHOWN: dict[str, Any] = {"n_probs": 30, "post_sampling_probs": True, "seed": 2, "max_tokens": 4}


def filtered(token: str, before: float, after: float | None, *others: tuple[str, float, float | None]) -> Any:
    """An entry with what the filters left of it and of its alternatives; probabilities."""
    logs = [(t, math.log(b), None if a is None else math.log(a)) for t, b, a in ((token, before, after), *others)]
    made = entry(token, logs[0][1], [(t, b) for t, b, _ in logs])
    made["post_sampling_logprob"] = logs[0][2]
    for ident, (alternative, (_, _, left)) in enumerate(zip(made["top_logprobs"], logs, strict=True)):
        alternative |= {"post_sampling_logprob": left, "id": ident}
    return {**made, "id": 0}


def lengths(page: Page) -> list[float]:
    """The lengths of all bars, in em, in their order."""
    styles = [value for _, name, value in page.attributes if name == "style"]
    return [float(found[1]) for s in styles if "background" in s and (found := re.search(r"width:([\d.]+)em", s))]


# -- the token view --------------------------------------------------------------------------------------------------


def test_the_table_shows_what_a_filter_did() -> None:
    """Alternatives have a bar before and after the filters, to one scale; a dropped one is struck through."""
    view = token_view([filtered("a", 0.25, 0.5, ("<b>", 0.2, None), ("c", 0.0625, 0.0625))])
    page = Page(view.partition("<tbody>")[2])
    assert lengths(page) == pytest.approx([BAR / 2, BAR, 0.4 * BAR, BAR / 8, BAR / 8])
    assert page.tags.count("s") == 1
    assert "<s><code>&lt;b&gt;</code></s>" in view
    assert [page.text.count(w) for w in ("25%", "50%", "dropped")] == [2, 1, 1]  # 25% is its probability too
    (title,) = Page(view).values("title")
    assert title == "a 25% → 50%, <b> 20% → dropped, c 6.2% → 6.2%"


def test_without_filtered_probabilities_there_are_no_bars() -> None:
    """Where only the model's own probabilities were asked for, the view is as small as it was."""
    view = token_view([entry("a", -1.0, [("a", -1.0), ("b", -2.0)])])
    assert "inline-block" not in view and "→" not in view and "filters" not in view


def test_a_real_answer_with_filters(hub: Hub) -> None:
    """The table of a real answer stays bounded with its bars: it does not grow with the answer or with n_probs."""
    response = hub.chat("Tell me a story.", **{**SHOWN, "max_tokens": 80, "top_p": 0.5, "logit_bias": {2: -100}})
    view = token_view(response.logprobs)
    assert len(view.partition("<details>")[2].encode()) < 8 * (700 + 500 * HOVER)
    assert len(view.partition("<details>")[0].encode()) < 200 * len(response.logprobs)
    assert "<s>" in view


def test_the_first_token_of_a_prompt_has_no_tint(hub: Hub) -> None:
    """A token nothing is known of is shown plainly and counts nowhere: not as doubtful, not in the perplexity."""
    response = hub.chat(COLOUR, temperature=0, max_tokens=1, prompt_logprobs=2)
    entries = response.prompt_logprobs
    assert entries[0]["logprob"] is None
    view = token_view(entries)
    assert view.startswith('<div style="white-space:pre-wrap;line-height:1.9"><span><|im_start|></span>'.replace(
        "<|im_start|>", "&lt;|im_start|&gt;"))  # fmt: skip
    assert view.count("<span style=background") == len(entries) - 1
    known = [e["logprob"] for e in entries[1:]]
    assert f"perplexity {math.exp(-sum(known) / len(known)):.2f};" in view
    assert all(int(line.split()[0]) > 0 for line in token_lines(entries))
    assert "certain" not in token_view(entries[:1])


# -- the answer ------------------------------------------------------------------------------------------------------


def test_n_probs_alone_shows_the_tokens() -> None:
    """An answer asked for with n_probs, without logprobs, is shown token by token and recorded with them."""
    data, _ = bundle(finished("x", n_probs=1, entries=[entry("x", -0.5, [("x", -0.5)])]))
    assert Page(data["text/html"]).values("title") == {"x 61%"}
    assert data[MIME]["choices"][0]["logprobs"]


def test_n_probs_alone_prints_the_tokens(start_kernel: Callable[..., Kernel]) -> None:
    """So it is where text is printed."""
    printed = start_kernel(MODELHUB_STREAM="text").run("%%chat -t 0 -o n_probs=3\nWhat is the capital of France?")
    assert len([line for line in printed.stdout.splitlines()[1:] if line.count("%") >= 4]) >= 5


def test_the_record_keeps_what_the_filters_left() -> None:
    """The record has both probabilities of each token with six decimals, null for a dropped one, and is drawn anew."""
    entries = [filtered("a", 0.3, 0.9, ("b", 0.2, None))]
    (choice,) = bundle(finished("a", n_probs=2, post_sampling_probs=True, entries=entries))[0][MIME]["choices"]
    (kept,) = choice["logprobs"]
    assert kept["post_sampling_logprob"] == pytest.approx(math.log(0.9), abs=1e-6)
    assert kept["post_sampling_logprob"] == round(kept["post_sampling_logprob"], 6)
    assert [t["post_sampling_logprob"] for t in kept["top_logprobs"]] == [kept["post_sampling_logprob"], None]


# -- bars ------------------------------------------------------------------------------------------------------------


def test_bars_of_a_real_answer(hub: Hub) -> None:
    """A row for each probable token with a bar before and after; text and HTML say the same."""
    response = hub.chat(COLOUR, top_k=3, **SHOWN)
    shown = modelhub.bars(response)
    lines = repr(shown).splitlines()
    assert lines[0].split() == ["token", "the", "model", "top_k(3)"]
    assert [line.count("dropped") for line in lines[1:-1]] == [0] * 3 + [1] * (ROWS - 3)
    others = re.split(r"\s{2,}", lines[-1])
    part = 1 - sum(math.exp(t["logprob"]) for t in response.logprobs[0]["top_logprobs"][:ROWS])
    assert others == ["others", f"{100 * part:.0f}%", "0%"]
    (drawn,) = [line for line in lines if line.endswith("◂")]
    assert drawn.split()[0] == response.logprobs[0]["token"]
    html = shown._repr_html_()
    page = Page(html)
    assert page.tags.count("tr") == len(lines)
    assert [page.text.count(sign) for sign in ("dropped", "◂")] == [ROWS - 3, 1]
    assert len(lengths(page)) == ROWS + 3
    assert max(lengths(page)) == BAR
    assert re.findall(r"\d+%", page.text) == re.findall(r"\d+%", repr(shown))


def test_bars_of_several_answers(hub: Hub) -> None:
    """Answers to one prompt share the first column and have one each, headed by the samplers that ran."""
    hot, cold = (hub.chat(COLOUR, temperature=t, **SHOWN) for t in (1.5, 0.5))
    head = repr(bars(hot, cold)).splitlines()[0]
    assert re.split(r"\s{2,}", head) == ["token", "the model", "temperature(1.5)", "temperature(0.5)"]
    assert [t.split()[0] for t in repr(bars(cold, hot)).splitlines()[1:5]] == [
        t["token"] for t in cold.logprobs[0]["top_logprobs"][:4]
    ]
    plain = hub.chat(COLOUR, **SHOWN)
    assert re.split(r"\s{2,}", repr(bars(plain)).splitlines()[0]) == ["token", "the model"]
    assert re.split(r"\s{2,}", repr(bars(cold, plain)).splitlines()[0])[2:] == ["temperature(0.5)", "as it is"]
    other = hub.chat("Name an animal.", **SHOWN)
    assert repr(bars(plain, other)).splitlines()[0].count("the model") == 2


def test_bars_without_filtered_probabilities(hub: Hub) -> None:
    """With log probabilities alone there is the model's column; any token can be looked at, also from the end."""
    response = hub.chat(COLOUR, temperature=0, logprobs=True, top_logprobs=3)
    assert re.split(r"\s{2,}", repr(bars(response)).splitlines()[0]) == ["token", "the model"]
    last = repr(bars(response, token=-1))
    assert last == repr(bars(response, token=len(response.logprobs) - 1)) != repr(bars(response))


def test_what_a_token_is_called_is_text() -> None:
    """A token is never markup, and what cannot be seen gets a sign."""
    entries = [filtered("<b>\n", 0.5, 1.0, ('"><i>', 0.25, None))]
    response = finished("x", n_probs=2, post_sampling_probs=True, entries=entries)
    response._came.debug["sampling"] = ["<script>(1)", "draw(seed=1)"]
    page = Page(bars(response)._repr_html_())
    assert set(page.tags) == {"table", "thead", "tbody", "tr", "th", "td", "code", "span"}
    assert "<b>⏎" in page.text and '"><i>' in page.text and "<script>(1)" in page.text


@pytest.mark.parametrize(
    ("make", "token", "said"),
    [
        (lambda: (), 0, "at least one response"),
        (lambda: ("hello",), 0, "got str"),
        (lambda: (finished("x"),), 0, "ask with n_probs=20, post_sampling_probs=True"),
        (lambda: (finished("x", n_probs=1, entries=[entry("x")]),), 1, "token must be below 1, the tokens of"),
        (lambda: (finished("x", n_probs=1, entries=[entry("x")]),), -2, "got -2"),
    ],
)
def test_what_cannot_be_shown_says_so(make: Callable[[], tuple[Response, ...]], token: int, said: str) -> None:
    """One line says what is missing and how to ask for it."""
    with pytest.raises(BadRequest) as raised:
        modelhub.bars(*make(), token=token)
    assert said in str(raised.value)
    assert "\n" not in str(raised.value)
