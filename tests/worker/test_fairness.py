"""Many callers at one model: nobody waits for somebody else's large job, and too many are told so."""

from __future__ import annotations

import pytest

from modelhub.errors import EngineBusy
from tests.worker.asking import SECONDS, Asker, first_text, started

pytestmark = pytest.mark.parametrize("unified", [False, True], ids=["separate", "unified"])


def test_many_choices_leave_room_for_another_request(ask_long: Asker) -> None:
    """A request of forty choices, more than there are slots, does not keep a later one waiting for all of them."""
    many = ask_long("choose", n=40, max_tokens=150)
    first_text(many)
    one = ask_long("one", max_tokens=5)
    one.text()
    assert not many.done
    assert many.text(39) == many.text(0)


def test_a_short_prompt_overtakes_a_long_one(ask_long: Asker) -> None:
    """While a long prompt is read, with nothing else running, a short question is read and answered."""
    long = ask_long("word1 " * 2600, max_tokens=1)
    started(long)
    short = ask_long("hi", max_tokens=20)
    short.text()
    assert not long.done and long.partial() == ""
    long.stop()
    assert long.wait(SECONDS)


def test_a_long_prompt_is_read_beside_many_short_ones(ask_long: Asker) -> None:
    """Short questions that keep coming do not starve a long prompt."""
    long = ask_long("word1 " * 300, max_tokens=1)
    others = 0
    while not long.done:
        ask_long(f"question {others}", max_tokens=3).text()
        others += 1
        assert others < 2000
    assert long.text()


def test_status_shows_every_request(ask_long: Asker) -> None:
    """Each request says whether it waits, reads or writes, and how far it is."""
    writing = [ask_long(f"go on {i}") for i in range(16)]
    for response in writing:
        first_text(response)
    waiting = ask_long("later", n=2)
    started(waiting)
    (row,) = [row for row in ask_long.hub.status() if row["model"] == "local/long"]
    assert [r["state"] for r in row["requests"]] == ["writing"] * 16 + ["waiting"]
    assert all(r["drawn"] > 0 and r["read"] == r["prompt_tokens"] for r in row["requests"][:16])
    last = row["requests"][-1]
    assert (last["choices"], last["read"], last["drawn"]) == (2, 0, 0)
    for response in [*writing, waiting]:
        response.stop()
    assert all(response.wait(SECONDS) for response in [*writing, waiting])


def test_too_many_requests_are_refused(ask_long: Asker) -> None:
    """More than 256 requests at once are refused in one line; those before them are not harmed."""
    running = [ask_long("go on") for _ in range(256)]
    for response in running:
        started(response)
    with pytest.raises(EngineBusy, match=r"256 requests wait for this model already; try again when some are done"):
        ask_long("one too many").text()
    for response in running:
        response.stop()
    assert all(response.wait(SECONDS) and response.error is None for response in running)
    assert ask_long("hi", max_tokens=2).text()
