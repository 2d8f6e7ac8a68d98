"""Conversations: named chats whose turns belong to the cells that made them."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass, field

from modelhub.kernels.protocol.request import Message
from modelhub.kernels.response import Response

DEFAULT = "main"


@dataclass(frozen=True, slots=True)
class Turn:
    """One exchange: what the user said, what came of it, and the cell (None outside of cells) that made it."""

    cell: str | None
    system: str | None
    asked: tuple[Message, ...]
    response: Response

    def messages(self, model: str | None = None) -> list[Message]:
        """The exchange as messages, for `model` (its full name).

        What was thought, signed and drawn goes back to the model it came from and to no other, which could not read it.
        """
        answer = self.response.partial_message()
        if model is None or model != self.model:
            calls = [{k: v for k, v in call.items() if k != "extra_content"} for call in answer.get("tool_calls", [])]
            answer = {"role": "assistant", "content": self.response.partial(), "tool_calls": calls or None}
        return [*self.asked, Message(**answer)]

    @property
    def model(self) -> str:
        """The full name of the model that answered."""
        found: str = self.response.debug.get("resolved", {}).get("model", "")
        return found


@dataclass(frozen=True, slots=True)
class Place:
    """Where in a conversation a turn goes: after `kept` turns, in the place of its own earlier one and later ones."""

    kept: int
    replaced: bool
    dropped: int

    def note(self) -> str | None:
        """What the user should know, in one line."""
        if not self.replaced:
            return None
        text = f"replaces turn {self.kept + 1}"
        if self.dropped:
            later = (
                f"turn {self.kept + 2}"
                if self.dropped == 1
                else f"turns {self.kept + 2} to {self.kept + 1 + self.dropped}"
            )
            text += f"; {later}, built on it, {'is' if self.dropped == 1 else 'are'} not sent any more"
        return text


@dataclass(slots=True)
class Conversation:
    """A named chat."""

    name: str
    turns: list[Turn] = field(default_factory=list)
    undone: list[list[Turn]] = field(default_factory=list)  # what `undo` goes back to, oldest first

    def place(self, cell: str | None) -> Place:
        """Where a turn of `cell` goes: where its earlier turn stands, or at the end."""
        for index, turn in enumerate(self.turns):
            if cell is not None and turn.cell == cell:
                return Place(index, True, len(self.turns) - index - 1)
        return Place(len(self.turns), False, 0)

    def history(self, place: Place, model: str | None = None) -> list[Message]:
        """The messages before `place`, for `model`; see `Turn.messages`."""
        return [m for turn in self.turns[: place.kept] for m in turn.messages(model)]

    def system(self, place: Place) -> str | None:
        """The system prompt in force at `place`."""
        return self.turns[place.kept - 1].system if place.kept else None

    def add(self, place: Place, turn: Turn) -> None:
        """Put a turn where it goes."""
        if place.replaced:
            self.undone.append(list(self.turns))
        self.turns[place.kept :] = [turn]

    def clear(self) -> None:
        """Forget every turn; `undo` brings them back."""
        if self.turns:
            self.undone.append(list(self.turns))
            self.turns.clear()

    def undo(self) -> bool:
        """Go back to before the last replacement or clearing; whether there was one."""
        if not self.undone:
            return False
        self.turns[:] = self.undone.pop()
        return True


class Conversations:
    """Every conversation of this kernel. Safe from any thread."""

    def __init__(self) -> None:
        """Start with the default conversation."""
        self._lock = threading.Lock()
        self._known: dict[str, Conversation] = {DEFAULT: Conversation(DEFAULT)}
        self.current = DEFAULT

    def __iter__(self) -> Iterator[Conversation]:
        return iter(list(self._known.values()))

    def __len__(self) -> int:
        return len(self._known)

    def get(self, name: str) -> Conversation | None:
        """The conversation called `name`, if there is one."""
        return self._known.get(name)

    def choose(self, name: str | None, new: bool, cell: str | None) -> Conversation:
        """The conversation a turn of `cell` belongs to; it is not known to others before it is adopted.

        With `name` that one, begun anew if `new`. Else with `new` one that begins with this cell. Else the one in
        which this cell already has a turn, or the one used last.
        """
        with self._lock:
            if name is not None:
                known = self._known.get(name)
                if known is None:
                    return Conversation(name)
                if new and not (known.turns and known.turns[0].cell == cell):
                    return Conversation(name, undone=[*known.undone, list(known.turns)])
                return known
            if new:
                return self._begun_by(cell) or Conversation(self._fresh_name())
            return self._with(cell) or self._known[self.current]

    def turn(self, response: Response | None, within: Conversation | None) -> tuple[Conversation | None, int]:
        """Where a response stands: its conversation and its number there, from 0.

        Without one the last turn of `within`, or of the conversation used last. None where there is no such turn.
        """
        with self._lock:
            if response is None:
                last = within or self._known[self.current]
                return (last, len(last.turns) - 1) if last.turns else (None, -1)
            for one in self._known.values():
                for number, turn in enumerate(one.turns):
                    if turn.response is response:
                        return one, number
            return None, -1

    def adopt(self, conversation: Conversation) -> None:
        """Make a chosen conversation known, and the one used last."""
        with self._lock:
            self._known[conversation.name] = conversation
            self.current = conversation.name

    def _begun_by(self, cell: str | None) -> Conversation | None:
        if cell is None:
            return None
        return next((c for c in self._known.values() if c.turns and c.turns[0].cell == cell), None)

    def _with(self, cell: str | None) -> Conversation | None:
        if cell is None:
            return None
        return next((c for c in self._known.values() if any(t.cell == cell for t in c.turns)), None)

    def _fresh_name(self) -> str:
        number = len(self._known) + 1
        while f"chat-{number}" in self._known:
            number += 1
        return f"chat-{number}"
