"""What a model has read it need not read again: prefixes stay in memory and are found by their content."""

from __future__ import annotations

import pytest

from modelhub.kernels.response import Response
from tests.worker.asking import Asker, raw, sure

TIES = {"logprobs": True, "top_logprobs": 5}

pytestmark = pytest.mark.parametrize("unified", [False, True], ids=["separate", "unified"])


def usage(response: Response) -> tuple[int, int]:
    """Prompt tokens, and those of them that were in memory already."""
    found = response.usage()
    return found["prompt_tokens"], found["prompt_tokens_details"]["cached_tokens"]


def test_a_follow_up_reads_only_what_is_new(ask: Asker) -> None:
    """Each turn of a conversation finds the whole of the turn before in memory."""
    before = 0
    for turn in range(4):
        response = ask(f"turn {turn} of this", conversation="one", max_tokens=10)
        response.text()
        prompt, cached = usage(response)
        assert cached >= before - 1
        assert prompt > before
        before = prompt
    assert before > 100


def test_two_conversations_in_turn_keep_their_prefixes(ask: Asker) -> None:
    """Alternating between conversations loses nothing of either."""
    before = {"left": 0, "right": 0}
    for turn in range(3):
        for name in before:
            response = ask(f"{name} {turn} and so on", conversation=name, max_tokens=8)
            response.text()
            prompt, cached = usage(response)
            assert cached >= before[name] - 1
            before[name] = prompt


def test_a_cached_prefix_changes_nothing(ask: Asker) -> None:
    """The answer over a prefix in memory is the answer over a prompt read anew."""
    messages = [{"role": "user", "content": "tell me of salt"}, {"role": "assistant", "content": "no"},
                {"role": "user", "content": "please"}]  # fmt: skip
    ask(messages[:1], max_tokens=5).text()
    over = ask(messages, max_tokens=30, **TIES)
    assert raw(over)
    assert usage(over)[1] > 20
    ask.hub.unload(str(ask.path))
    anew = ask(messages, max_tokens=30, **TIES)
    assert raw(over).startswith(sure(anew)) and sure(anew)
    assert usage(anew)[1] == 0


def test_choices_share_their_prompt(ask: Asker) -> None:
    """The prompt of n choices is read once and counted once."""
    ask.hub.unload(str(ask.path))
    response = ask("a prompt of some length " * 8, n=4, max_tokens=3)
    assert len({response.text(i) for i in range(4)}) == 1
    prompt, cached = usage(response)
    assert prompt > 150 and cached == 0
    (row,) = [row for row in ask.hub.status() if row["model"] == "local/random"]
    assert row["steps"] <= 8


def test_the_same_question_again_is_in_memory(ask: Asker) -> None:
    """Asked again, all of a prompt but its last two tokens is in memory, also after many other prompts."""
    ask("where is my mind", max_tokens=2).text()
    for other in range(8):
        ask(f"{other} other", max_tokens=2).text()
    prompt, cached = usage(ask("where is my mind", max_tokens=2))
    assert cached >= prompt - 2
