"""Many requests in one worker: each is answered as if it were alone, and stopping one leaves the others be."""

from __future__ import annotations

import pytest

from tests.worker.asking import SECONDS, Asker, first_text, raw, started, sure

COUNT = 30  # more than the sixteen slots there are
TIES = {"logprobs": True, "top_logprobs": 5}

pytestmark = pytest.mark.parametrize("unified", [False, True], ids=["separate", "unified"])


def test_thirty_at_once_are_thirty_alone(ask: Asker) -> None:
    """Every greedy answer among thirty equals the one asked alone; more than fit at once wait their turn."""
    prompts = [f"question {i} " * (1 + i % 5) for i in range(COUNT)]
    alone = [ask(p, max_tokens=20 + i, **TIES) for i, p in enumerate(prompts)]
    expected = [sure(r) for r in alone]
    assert sum(map(len, expected)) > 0.3 * sum(len(raw(r)) for r in alone)
    assert len(set(expected)) > 0.5 * COUNT
    together = [ask(p, max_tokens=20 + i, **TIES) for i, p in enumerate(prompts)]
    for response, text in zip(together, expected, strict=True):
        assert raw(response).startswith(text)
    assert [r.usage()["completion_tokens"] for r in together] == [20 + i for i in range(COUNT)]


def test_more_choices_than_slots(ask: Asker) -> None:
    """n may be more than can run at once; every choice comes."""
    response = ask("hi", n=20, seed=1, temperature=1, max_tokens=12)
    response.text()
    assert len({response.text(i) for i in range(20)}) == 20
    assert response.usage()["completion_tokens"] == 240


def test_those_who_wait_are_counted(ask_long: Asker) -> None:
    """While all slots are taken, status says how many run and how many wait; all of them stop when told to."""
    responses = [ask_long(f"go on {i}") for i in range(20)]
    for response in responses[:16]:
        first_text(response)
    (row,) = [row for row in ask_long.hub.status() if row["model"] == "local/long"]
    assert (row["running"], row["waiting"]) == (16, 4)
    assert row["memory"] > 1_000_000 and row["state"] == "running"
    for response in responses:
        response.stop()
    assert all(response.wait(SECONDS) and response.interrupted for response in responses)
    assert ask_long.running() == 0


def test_stopping_one_leaves_the_others_unharmed(ask_long: Asker) -> None:
    """An answer stopped while it is being written frees its slot; those beside it come out as they would alone."""
    alone = [sure(ask_long(f"question {i}", max_tokens=400, **TIES)) for i in range(3)]
    assert all(alone)
    endless = ask_long("no end")
    first_text(endless)
    others = [ask_long(f"question {i}", max_tokens=400, **TIES) for i in range(3)]
    first_text(others[0])
    endless.stop()
    assert endless.wait(SECONDS)
    assert endless.interrupted and endless.finish_reason is None and endless.partial()
    assert endless.text() == endless.partial()
    for other, text in zip(others, alone, strict=True):
        assert raw(other).startswith(text)
        assert other.usage()["completion_tokens"] == 400
    assert ask_long.running() == 0


def test_stopping_while_a_long_prompt_is_read(ask_long: Asker) -> None:
    """A stop is heard in the middle of a prompt, and the next request is answered."""
    alone = ask_long("hi", max_tokens=5).text()
    response = ask_long("word1 " * 2700)
    started(response)
    response.stop()
    assert response.wait(SECONDS) and response.interrupted
    assert ask_long.running() == 0
    assert ask_long("hi", max_tokens=5).text() == alone


def test_a_stop_before_the_beginning(ask_long: Asker) -> None:
    """An answer that is stopped as soon as it was asked for ends too, wherever the stop finds it, and twice is once."""
    for _ in range(50):
        response = ask_long("hi")
        response.stop()
        response.stop()
        assert response.wait(SECONDS) and response.interrupted
    assert ask_long.running() == 0
    assert ask_long("hi", max_tokens=2).text()


def test_a_short_answer_does_not_wait_for_a_long_prompt(ask_long: Asker) -> None:
    """A running answer goes on while another's long prompt is read beside it."""
    running = ask_long("no end")
    first_text(running)
    reading = ask_long("word2 " * 400, max_tokens=1)
    started(reading)
    seen = len(running.partial())
    reading.text()
    assert len(running.partial()) > seen
    running.stop()
    assert running.wait(SECONDS)
