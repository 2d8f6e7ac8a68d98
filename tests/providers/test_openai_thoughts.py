"""Thoughts in replies of OpenAI-like servers: under every name, in parts, in blocks, in tags."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelhub.kernels.protocol.events import Delta, Kept, Reasoned
from modelhub.kernels.providers.dialects.thinking import ThinkTags
from modelhub.kernels.providers.providers import Providers
from tests.providers.openai_chunks import DONE, ENDS, chunk, text
from tests.providers.talk import answered, sse, told

THOUGHTS: dict[str, list[Any]] = {
    "reasoning_content": [{"reasoning_content": ""}, {"reasoning_content": "weigh "}, {"reasoning_content": "it"}],
    "reasoning": [{"reasoning": "weigh ", "channel": "analysis"}, {"reasoning": "it"}],
    "both names at once": [{"reasoning": t, "reasoning_content": t} for t in ("weigh ", "it")],
    "with the same in blocks": [
        {"reasoning": t, "reasoning_details": [{"type": "reasoning.text", "text": t, "index": 0}]}
        for t in ("weigh ", "it")
    ],
    "in blocks alone": [{"reasoning_details": [{"type": "reasoning.text", "text": t}]} for t in ("weigh ", "it")],
    "as summaries": [{"reasoning_details": [{"type": "reasoning.summary", "summary": "weigh it"}]}],
    "Mistral's parts": [
        {"content": [{"type": "thinking", "thinking": [{"type": "text", "text": t}]}]} for t in ("weigh ", "it")
    ],
    "parts of both kinds": [
        {"content": [{"type": "thinking", "thinking": "weigh it"}, {"type": "text", "text": ""}]},
    ],
}


@pytest.mark.parametrize("name", THOUGHTS)
def test_thoughts(name: str) -> None:
    """Thoughts are told once and apart from the text, whatever they are called."""
    events: list[Any] = [*map(chunk, THOUGHTS[name]), text("kelp"), ENDS, DONE]
    response = answered("openai", sse(*events, named=False))
    assert (response.reasoning, response.text()) == ("weigh it", "kelp")


def test_blocks_to_send_back() -> None:
    """Pieces of a block are one again, with the signature that comes last; an encrypted one stays by itself."""
    pieces: list[list[dict[str, Any]]] = [
        [{"type": "reasoning.text", "text": "weigh ", "index": 0, "format": "f"}],
        [{"type": "reasoning.text", "text": "it", "index": 0, "signature": "s"}],
        [{"type": "reasoning.encrypted", "data": "x", "index": 1}],
        [{"type": "reasoning.encrypted", "data": "y", "index": 1}],
    ]
    events: list[Any] = [*(chunk({"reasoning_details": p}) for p in pieces), text("kelp"), ENDS, DONE]
    found, _ = told("openrouter", sse(*events, named=False))
    assert [event for event in found if isinstance(event, Kept)] == [Kept(0, (
        {"type": "reasoning.text", "text": "weigh it", "index": 0, "format": "f", "signature": "s"},
        {"type": "reasoning.encrypted", "data": "x", "index": 1},
        {"type": "reasoning.encrypted", "data": "y", "index": 1},
    ))]  # fmt: skip


@given(st.text("<think>/ \nab", max_size=40), st.data())
def test_tags_cut_anywhere_are_the_same(said: str, data: st.DataObject) -> None:
    """However a text with tags is cut, the same of it is thought and the same is answer, and nothing is lost."""

    def split(pieces: list[str]) -> tuple[str, str]:
        tags = ThinkTags()
        told = [t for piece in pieces for t in tags.split(piece)] + tags.rest()
        return "".join(t for thought, t in told if thought), "".join(t for thought, t in told if not thought)

    cuts = sorted(data.draw(st.lists(st.integers(0, len(said)), max_size=6)))
    pieces = [said[a:b] for a, b in itertools.pairwise([0, *cuts, len(said)])]
    assert split(pieces) == split([said])
    if not said.lstrip().startswith("<think>"):
        assert split(pieces) == ("", said)


def test_think_tags_are_split_where_a_setting_says_so() -> None:
    """By default tags are text; a provider's setting, or a dated rule for a model, makes thoughts of them."""
    events = [text(piece) for piece in ("<thi", "nk>weigh it</th", "ink>\n\nkelp")]
    reply = sse(*events, ENDS, named=False)
    assert answered("openai", reply).text() == "<think>weigh it</think>\n\nkelp"
    Providers().add("box", base_url="http://127.0.0.1:9/v1", settings={"think_tags": True})
    split = answered("box", reply)
    assert (split.reasoning, split.text()) == ("weigh it", "kelp")
    Providers().add("open", base_url="http://127.0.0.1:9/v1", settings={"think_tags": "open"})
    split = answered("open", sse(text("weigh it</think>kelp"), ENDS, named=False))
    assert (split.reasoning, split.text()) == ("weigh it", "kelp")


def test_a_reader_tells_thoughts_before_text_of_the_same_chunk() -> None:
    """In a chunk of both, the thought comes first."""
    found, _ = told("openai", sse(chunk({"content": "kelp", "reasoning": "weigh it"}), ENDS, named=False))
    assert found == [Reasoned(0, "weigh it"), Delta(0, "kelp", 0)]
