"""Thoughts: in tags of the text, in parts of the content, in blocks that go back to the provider."""

from __future__ import annotations

from typing import Any

from modelhub.kernels.providers.dialects.halves import sayable

OPEN, CLOSE = "<think>", "</think>"


class ThinkTags:
    """Tells `<think>…</think>` apart from the answer, however the tags are cut over chunks.

    Only where the answer begins with the tag: a tag in the middle of a text is text. White space before the tag and
    after the end of the thoughts goes with them. What does not become a tag is told as it came.
    """

    __slots__ = ("_held", "_state")

    def __init__(self, inside: bool = False) -> None:
        """At the beginning. inside: the prompt ended with the opening tag, so the answer begins with thoughts."""
        self._state = "inside" if inside else "before"
        self._held = ""

    def split(self, text: str) -> list[tuple[bool, str]]:
        """New text, in pieces: (whether it is a thought, text)."""
        if self._state == "answer" or not text:
            return [(False, text)] if text else []
        held, self._held = self._held + text, ""
        found: list[tuple[bool, str]] = []
        if self._state == "before":
            start = held.lstrip()
            if start.startswith(OPEN):
                self._state, held = "inside", start[len(OPEN) :]
            elif OPEN.startswith(start):
                self._held = held
                return []
            else:
                self._state = "answer"
                return [(False, held)]
        if self._state == "inside":
            thought, closed, rest = held.partition(CLOSE)
            if not closed:
                kept = _begun(held)
                self._held = held[len(held) - kept :] if kept else ""
                thought = held[: len(held) - kept]
            if thought:
                found.append((True, thought))
            if not closed:
                return found
            self._state, held = "after", rest
        held = held.lstrip()
        if held:
            self._state = "answer"
            found.append((False, held))
        return found

    def rest(self) -> list[tuple[bool, str]]:
        """What is still held back when no more will come."""
        held, self._held = self._held, ""
        return [(self._state == "inside", held)] if held else []


def _begun(text: str) -> int:
    """How many characters at the end of a text may be the beginning of the closing tag."""
    return next((n for n in range(min(len(CLOSE) - 1, len(text)), 0, -1) if text.endswith(CLOSE[:n])), 0)


class Blocks:
    """The `reasoning_details` of one choice, put together from the pieces of a stream.

    Pieces of text and of summaries that follow each other under one index are one block; a signature comes with the
    last of them. https://openrouter.ai/docs/use-cases/reasoning-tokens says that blocks go back as they were.
    """

    __slots__ = ("_blocks", "_told")

    def __init__(self) -> None:
        """No block has come."""
        self._blocks: list[dict[str, Any]] = []
        self._told = 0

    def add(self, details: Any) -> str:
        """Take the pieces of a chunk; gives their text, for who wants to read it."""
        text = ""
        for piece in details if isinstance(details, list) else ():
            if not isinstance(piece, dict):
                continue
            piece = sayable(piece)
            for name in ("text", "summary"):
                if isinstance(piece.get(name), str):
                    text += piece[name]
            last = self._blocks[-1] if len(self._blocks) > self._told else None
            if last is not None and _go_together(last, piece):
                for name, value in piece.items():
                    if name in {"text", "summary", "data"} and isinstance(value, str):
                        last[name] = (last.get(name) or "") + value
                    elif value is not None:
                        last[name] = value
            else:
                self._blocks.append(piece)
        return text

    def end(self) -> tuple[dict[str, Any], ...]:
        """The blocks that were not given before."""
        new = tuple(self._blocks[self._told :])
        self._told = len(self._blocks)
        return new


def _go_together(last: dict[str, Any], piece: dict[str, Any]) -> bool:
    same = all(piece.get(name) in (None, last.get(name)) for name in ("type", "index", "id"))
    return same and last.get("type") != "reasoning.encrypted" and not last.get("signature")


def thought_of(value: Any) -> str:
    """The text of a thought: a string, or parts as Mistral's `thinking` has them."""
    if isinstance(value, str):
        return value
    if isinstance(value, dict):
        value = value.get("text") or value.get("content") or value.get("thinking")
        return thought_of(value) if isinstance(value, str | list) else ""
    if isinstance(value, list):
        return "".join(thought_of(part) for part in value if isinstance(part, str | dict))
    return ""
