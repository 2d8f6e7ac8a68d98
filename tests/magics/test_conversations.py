"""Conversations in a notebook: which turn a cell owns, and what a cell goes on with."""

from __future__ import annotations

import pytest

from tests.kernel import Kernel, Ran

ASK = "-t 0 --max-tokens 2"


def messages(ran: Ran) -> list[str]:
    """What a %%chat cell sent, without the answers in it."""
    assert ran.ok, ran.error
    request = ran.outputs[-1]["application/vnd.modelhub.chat+json"]["request"]
    return [m["content"] for m in request["messages"] if m["role"] != "assistant"]


def listed(room: Kernel) -> dict[str, int]:
    """Turns by the name of the conversation; the current one first."""
    code = "[*__import__('modelhub').hub().conversations]"
    current = room.value("__import__('modelhub').hub().conversations.current")
    found = dict(eval(room.value(f"[(c.name, len(c.turns)) for c in {code}]")))
    return {n: found[n] for n in sorted(found, key=lambda n: repr(n) != current)}


def test_a_cell_goes_on_where_the_last_one_ended(room: Kernel) -> None:
    """The second cell sends the first turn, question and answer, before its own."""
    first = room.run(f"%%chat {ASK}\none", cell="a")
    second = room.run(f"%%chat {ASK}\ntwo", cell="b")
    assert messages(second) == ["one", "two"]
    request = second.outputs[-1]["application/vnd.modelhub.chat+json"]["request"]
    assert request["messages"][1] == {"role": "assistant", "content": first.text}
    assert listed(room) == {"main": 2}


def test_without_an_id_a_cell_is_known_by_its_text(room: Kernel) -> None:
    """Where the front end sends no cellId, the same text again replaces its turn and another text follows it."""
    room.run(f"%%chat {ASK}\none")
    room.run(f"%%chat {ASK}\ntwo")
    again = room.run(f"%%chat {ASK}\ntwo")
    assert messages(again) == ["one", "two"]
    assert "replaces turn 2" in again.outputs[-1]["text/html"]
    assert listed(room) == {"main": 2}


def test_a_changed_cell_keeps_its_turn(room: Kernel) -> None:
    """With a cellId, the cell owns its turn whatever is written in it."""
    room.run(f"%%chat {ASK}\none", cell="a")
    assert messages(room.run(f"%%chat {ASK} --seed 4\nthree", cell="a")) == ["three"]
    assert messages(room.run(f"%%chat {ASK}\none", cell="b")) == ["three", "one"]


@pytest.mark.parametrize("cell", ["a", None])
def test_two_chats_in_one_cell_are_two_turns(room: Kernel, cell: str | None) -> None:
    """Two %chat lines follow one another, and the cell run again replaces both."""
    code = f"first = %chat {ASK} one\nsecond = %chat {ASK} two"
    for _ in range(2):
        assert room.run(code, cell=cell).ok
        assert listed(room) == {"main": 2}
    asked = room.value("[m.content for m in second.request.messages if m.role == 'user']")
    assert asked == "['one', 'two']"


def test_chats_that_run_inside_a_cell_are_turns_of_that_cell(room: Kernel) -> None:
    """Cells run from within a cell, as %run of a notebook does, are counted on, one turn each."""
    inner = [f"%%chat {ASK}\\none", f"%%chat {ASK}\\ntwo"]
    code = f"for inner in {inner}:\n    get_ipython().run_cell(inner.replace('\\\\n', chr(10)))"
    for _ in range(2):
        ran = room.run(code, cell="a")
        assert len(ran.outputs) == 2
        assert messages(ran) == ["one", "two"]
        assert listed(room) == {"main": 2}


def test_a_named_conversation(room: Kernel) -> None:
    """--chat NAME begins or goes on with that one, and it stays the one in use."""
    room.run(f"%%chat {ASK}\nmain one", cell="a")
    assert messages(room.run(f"%%chat {ASK} --chat notes\nnote one", cell="b")) == ["note one"]
    assert messages(room.run(f"%%chat {ASK}\nnote two", cell="c")) == ["note one", "note two"]
    assert messages(room.run(f"%%chat {ASK} --chat main\nmain two", cell="d")) == ["main one", "main two"]
    assert listed(room) == {"main": 2, "notes": 2}
    assert messages(room.run(f"%%chat {ASK}\nnote again", cell="b")) == ["note again"], "b's turn is in notes"


def test_a_new_conversation(room: Kernel) -> None:
    """--new leaves the old conversation as it is; its cell run again replaces its own turn and begins no other."""
    room.run(f"%%chat {ASK}\none", cell="a")
    for _ in range(3):
        assert messages(room.run(f"%%chat {ASK} --new\nfresh", cell="b")) == ["fresh"]
        assert len(listed(room)) == 2
    assert messages(room.run(f"%%chat {ASK}\nmore", cell="c")) == ["fresh", "more"]
    assert sorted(listed(room).values()) == [1, 2]


def test_a_named_conversation_begun_anew(room: Kernel) -> None:
    """--chat NAME --new empties it, once; `%chats undo` has its turns again."""
    room.run(f"%%chat {ASK} --chat notes\none", cell="a")
    room.run(f"%%chat {ASK} --chat notes\ntwo", cell="b")
    for _ in range(2):
        assert messages(room.run(f"%%chat {ASK} --chat notes --new\nthree", cell="c")) == ["three"]
    assert listed(room)["notes"] == 1
    room.run("%chats undo notes")
    room.run("%chats undo notes")
    assert listed(room)["notes"] == 2


def test_the_system_message_is_kept(room: Kernel) -> None:
    """-s holds for the later turns, until another one or an empty one; turns before it are sent as before."""
    assert messages(room.run(f"%%chat {ASK} -s pirate\none", cell="a")) == ["pirate", "one"]
    assert messages(room.run(f"%%chat {ASK}\ntwo", cell="b")) == ["pirate", "one", "two"]
    assert messages(room.run(f"%%chat {ASK} -s nurse\nthree", cell="c")) == ["nurse", "one", "two", "three"]
    assert messages(room.run(f"%%chat {ASK} -s ''\nfour", cell="d")) == ["one", "two", "three", "four"]
    assert messages(room.run(f"%%chat {ASK}\nfive", cell="e")) == ["one", "two", "three", "four", "five"]
    assert messages(room.run(f"%%chat {ASK}\nagain", cell="b")) == ["pirate", "one", "again"]


@pytest.mark.parametrize("flags", ["--top-p 7", "-m nothing", "--format xml", "-o nosuch=1", "--chat other --seed x"])
def test_a_request_that_is_refused_changes_no_conversation(room: Kernel, flags: str) -> None:
    """A cell that fails before it is sent leaves every turn, and which conversation is in use."""
    room.run(f"%%chat {ASK}\none", cell="a")
    assert not room.run(f"%%chat {flags}\ntwo", cell="a").ok
    assert not room.run(f"%%chat {flags} --new\ntwo", cell="b").ok
    assert listed(room) == {"main": 1}
    assert messages(room.run(f"%%chat {ASK}\nthree", cell="c")) == ["one", "three"]


@pytest.mark.parametrize("flags", ["", "--new", "--chat other", "--chat main --new"])
def test_a_request_that_fails_changes_no_conversation(room: Kernel, flags: str) -> None:
    """A cell whose question is too long for the model leaves every turn, and which conversation is in use."""
    room.run(f"%%chat {ASK}\none", cell="a")
    ran = room.run(f"%%chat {flags}\n" + "many words " * 2000, cell="b")
    assert ran.error.startswith("ContextTooLong: ")
    assert listed(room) == {"main": 1}
    assert messages(room.run(f"%%chat {ASK}\nthree", cell="c")) == ["one", "three"]


def test_a_turn_too_long_leaves_the_turn_it_would_replace(room: Kernel) -> None:
    """Running a cell again with a question that fails keeps its earlier answer in the conversation."""
    room.run(f"%%chat {ASK}\none", cell="a")
    assert not room.run("%%chat\n" + "many words " * 2000, cell="a").ok
    assert messages(room.run(f"%%chat {ASK}\ntwo", cell="b")) == ["one", "two"]


def test_the_verbs_of_chats(room: Kernel) -> None:
    """%chats lists, shows, clears and undoes, and looks into the log."""
    room.run(f"%%chat {ASK}\none", cell="a")
    answer = room.run(f"%%chat {ASK} --chat notes\ntwo *<b>*", cell="b").text
    table = room.run("chats = %chats\nchats")
    assert "notes *" in table.text
    assert room.value("[(r['name'], r['turns'], r['last']) for r in chats]") == (
        "[('main', 1, 'one'), ('notes', 1, 'two *<b>*')]"
    )
    shown = room.run("turns = %chats show\nturns")
    assert room.value("turns[0]") == repr({"turn": 1, "you": "two *<b>*", "answer": answer, "ended": "length"})
    assert "&lt;b&gt;" in shown.outputs[0]["text/html"]
    assert "<b>" not in shown.outputs[0]["text/html"]
    assert "one" in room.run("%chats show main").text
    assert room.run("%chats clear").text == "notes is empty; %chats undo notes brings it back"
    assert listed(room) == {"notes": 0, "main": 1}
    assert room.run("%chats undo notes").text == "notes has 1 turns again"
    assert room.run("%chats undo notes").text == "notes has nothing to undo"
    room.run("log = %chats log")
    assert room.value("log[0]['text']") == repr(answer)
    assert room.run("%chats log {}".format(room.value("log[0]['id']").strip("'"))).text == answer


@pytest.mark.parametrize(
    ("line", "parts"),
    [
        ("%chats shwo", ["no 'shwo'", "Did you mean 'show'", "list, show, clear, undo, log"]),
        ("%chats show nots", ["no conversation is named 'nots'", "There are main"]),
        ("%chats log zz", ["0 turns", "'zz'"]),
    ],
)
def test_what_chats_does_not_know_is_one_line(room: Kernel, line: str, parts: list[str]) -> None:
    """A wrong verb, name or id is told in one line with what there is."""
    room.run(f"%%chat {ASK}\none", cell="a")
    ran = room.run(line)
    assert all(p in ran.error for p in parts), ran.error
    assert "\n" not in ran.error
