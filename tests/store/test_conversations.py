"""Conversations: turns belong to cells, a cell run again replaces its own, and what was dropped can be brought back."""

from __future__ import annotations

from modelhub.kernels.protocol.request import ChatRequest, Message
from modelhub.kernels.response import Response
from modelhub.kernels.store.conversations import Conversation, Conversations, Turn


def say(conversation: Conversation, text: str, cell: str | None = None, system: str | None = None) -> None:
    """A turn of `cell`, asked and answered."""
    asked = Message(role="user", content=text)
    response = Response(ChatRequest.make(model="m", messages=[asked.model_dump(exclude_none=True)]))
    conversation.add(conversation.place(cell), Turn(cell, system, (asked,), response))


def said(conversation: Conversation) -> list[str | None]:
    return [str(turn.asked[0].content) for turn in conversation.turns]


def test_turns_follow_each_other() -> None:
    """Without cells every turn goes to the end; the history has each question and each answer."""
    chat = Conversation("c")
    say(chat, "a")
    say(chat, "b")
    assert said(chat) == ["a", "b"]
    assert [m.role for m in chat.history(chat.place(None))] == ["user", "assistant"] * 2
    assert chat.place(None).note() is None


def test_a_cell_run_again_takes_its_place() -> None:
    """A cell's turn replaces its earlier one and those built on it, says so, and undo brings all back."""
    chat = Conversation("c")
    for cell in "xyz":
        say(chat, cell, cell)
    place = chat.place("x")
    assert chat.history(place) == []
    assert place.note() == "replaces turn 1; turns 2 to 3, built on it, are not sent any more"
    assert chat.place("y").note() == "replaces turn 2; turn 3, built on it, is not sent any more"
    assert chat.place("z").note() == "replaces turn 3"
    assert len(chat.history(chat.place("y"))) == 2
    say(chat, "x again", "x")
    assert said(chat) == ["x again"]
    assert chat.undo() and said(chat) == ["x", "y", "z"]
    assert not chat.undo()


def test_the_system_prompt_in_force_is_the_last_one() -> None:
    """A system prompt holds for the turns after it, and not for one that takes its place."""
    chat = Conversation("c")
    say(chat, "a", "x", system="be brief")
    say(chat, "b", "y", system="be brief")
    assert chat.system(chat.place("z")) == "be brief"
    assert chat.system(chat.place("x")) is None


def test_clearing_can_be_undone() -> None:
    """Clear forgets every turn, undo brings them back, and clearing nothing is nothing to undo."""
    chat = Conversation("c")
    chat.clear()
    assert not chat.undo()
    say(chat, "a")
    chat.clear()
    assert chat.turns == [] and chat.undo() and said(chat) == ["a"]


def test_choosing_by_name() -> None:
    """A name finds its conversation or makes one, which nobody knows before it is adopted."""
    known = Conversations()
    fresh = known.choose("work", False, None)
    assert known.get("work") is None and len(known) == 1
    known.adopt(fresh)
    assert known.get("work") is fresh is known.choose("work", False, "any")
    assert known.choose(None, False, None) is fresh
    assert known.current == "work"


def test_new_begins_anew_and_can_be_undone() -> None:
    """With a name and `new` the turns so far go, and undo brings them back; the same cell again keeps them gone."""
    known = Conversations()
    chat = known.choose("work", False, None)
    known.adopt(chat)
    say(chat, "old", "a")
    again = known.choose("work", True, "b")
    assert again is not chat and again.turns == []
    known.adopt(again)
    say(again, "new", "b")
    assert known.choose("work", True, "b") is again
    assert again.undo() and said(again) == ["old"]


def test_new_without_a_name() -> None:
    """A cell with `new` begins a conversation of its own, and the same one when it is run again."""
    known = Conversations()
    first = known.choose(None, True, "a")
    known.adopt(first)
    say(first, "hi", "a")
    assert first.name == "chat-2"
    assert known.choose(None, True, "a") is first
    other = known.choose(None, True, "b")
    assert other.name == "chat-3"


def test_a_cell_stays_in_its_conversation() -> None:
    """A cell that has a turn somewhere goes there again; another one goes to the conversation used last."""
    known = Conversations()
    main = known.choose(None, False, "a")
    known.adopt(main)
    say(main, "hi", "a")
    known.adopt(known.choose("work", False, "b"))
    assert known.choose(None, False, "a") is main
    assert known.choose(None, False, "c").name == "work"
