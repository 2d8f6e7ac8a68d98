"""`%chats`: list, show, clear and undo conversations; look into the log."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from modelhub.errors import BadRequest, did_you_mean
from modelhub.magics.models.verb import Line
from modelhub.magics.table import Table

if TYPE_CHECKING:
    from modelhub.kernels.response import Response

VERBS = ("list", "show", "clear", "undo", "log")

HELP = """List, show and clear conversations.

    %chats                 every conversation of this kernel
    %chats show [NAME]     its turns; NAME is the one used last if left out
    %chats clear [NAME]    forget its turns
    %chats undo [NAME]     back to before its last replaced turn or clearing
    %chats log [ID]        what was said lately, in every kernel; with the beginning of an id, that response
"""

WIDTH = 70  # characters of a turn shown in a row


def run(line: str) -> Any:
    """Do what the line says. Raises HubError."""
    from modelhub.kernels.hub import hub

    verb, _, rest = line.strip().partition(" ")
    name = rest.strip()
    if not verb or verb == "list":
        return listing()
    if verb == "log":
        return hub().log.response(name) if name else log()
    if verb not in VERBS:
        raise BadRequest(f"%chats has no {verb!r}.{did_you_mean(verb, VERBS)} There are {', '.join(VERBS)}")
    conversations = hub().conversations
    name = name or conversations.current
    found = conversations.get(name)
    if found is None:
        known = [c.name for c in conversations]
        raise BadRequest(f"no conversation is named {name!r}.{did_you_mean(name, known)} There are {', '.join(known)}")
    if verb == "show":
        return turns(name)
    if verb == "clear":
        found.clear()
        return Line(f"{name} is empty; %chats undo {name} brings it back")
    return Line(f"{name} has {len(found.turns)} turns again" if found.undo() else f"{name} has nothing to undo")


def listing() -> Table:
    """A row for every conversation."""
    from modelhub.kernels.hub import hub

    conversations = hub().conversations
    rows = [
        {
            "name": c.name,
            "turns": len(c.turns),
            "last": _first_line(c.turns[-1].asked[-1].content) if c.turns else "",
        }
        for c in conversations
    ]
    shown = [{**{k: str(v) for k, v in r.items()}, "name": _starred(str(r["name"]), conversations)} for r in rows]
    return Table(rows, shown, "* goes on with the next %%chat")


def turns(name: str) -> Table:
    """A row for every turn of one conversation."""
    from modelhub.kernels.hub import hub

    conversation = hub().conversations.get(name)
    assert conversation is not None
    rows = [
        {
            "turn": number,
            "you": str(turn.asked[-1].content or ""),
            "answer": turn.response.partial(),
            "ended": _ended(turn.response),
        }
        for number, turn in enumerate(conversation.turns, 1)
    ]
    shown = [{k: _first_line(v) for k, v in row.items()} for row in rows]
    return Table(rows, shown, "" if rows else f"{name} has no turns")


def _ended(response: Response) -> str:
    """Why an answer ended; "" where a whole one does not say."""
    if response.interrupted:
        return "stopped"
    return "failed" if response.error is not None else response.finish_reason or ""


def log() -> Table:
    """What was said lately, in every kernel."""
    from modelhub.kernels.hub import hub

    rows = hub().log.recent()
    shown = [
        {
            "id": str(row["id"]).removeprefix("chatcmpl-")[:8],
            "when": time.strftime("%Y-%m-%d %H:%M", time.localtime(row["begun"])),
            "model": str(row["model"]),
            "state": "cut off"
            if row["state"] == "running" and row["kernel"] != hub().log.kernel
            else str(row["state"]),
            "text": _first_line(row["text"]),
        }
        for row in rows
    ]
    return Table(rows, shown, "" if rows else "the log is empty")


def _starred(name: str, conversations: Any) -> str:
    return f"{name} *" if name == conversations.current else name


def _first_line(value: Any) -> str:
    text = " ".join(str(value or "").split())
    return text if len(text) <= WIDTH else text[: WIDTH - 1] + "…"
