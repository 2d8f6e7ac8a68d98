"""One choice of an OpenAI-like reply while it is read."""

from __future__ import annotations

from typing import Any

from modelhub.kernels.protocol.events import Delta, Event, Kept, Pictured, Reasoned, Refused, Warned
from modelhub.kernels.providers.dialects import logprobs
from modelhub.kernels.providers.dialects.finishes import finish_of
from modelhub.kernels.providers.dialects.halves import Halves, mended, sayable
from modelhub.kernels.providers.dialects.thinking import Blocks, ThinkTags, thought_of
from modelhub.kernels.providers.dialects.tool_calls import ToolCalls

_REASONING = ("reasoning_content", "reasoning")


class ChoiceReader:
    """Reads what comes of one choice: the deltas of a stream, or its message."""

    __slots__ = (
        "_asked", "_blocks", "_calls", "_data", "_index", "_piecewise", "_refusal", "_tags", "_text", "_thought",
        "_told", "_unread", "annotations", "entries", "finish", "finished", "native", "refusal_entries",
    )  # fmt: skip

    def __init__(self, index: int, think_tags: str, asked: bool) -> None:
        """Choice `index`, of which nothing has come.

        think_tags: see `ThinkTags`: "" (not split), "split", or "open" where the prompt ends with the opening tag.
        asked: whether log probabilities were asked for, and how much text they cover is to be known.
        """
        self._index = index
        self._asked = asked
        self._tags = ThinkTags(inside=think_tags == "open") if think_tags else None
        self._text, self._thought, self._refusal = Halves(), Halves(), Halves()
        self._calls: ToolCalls | None = None
        self._blocks: Blocks | None = None
        self._unread: set[str] = set()  # kinds of parts that were left out
        self._told: list[str] = []  # the text, in the pieces that came
        self._piecewise = False  # whether its messages are pieces
        self._data = [0, 0]  # bytes of the text, and of the text that entries stand for
        self.entries = 0  # log probabilities
        self.annotations: list[dict[str, Any]] = []  # what a search found: citations and where they stand in the text
        self.refusal_entries: list[dict[str, Any]] = []
        self.finished = False
        self.finish: str | None = None
        self.native: str | None = None

    @property
    def covered(self) -> bool | None:
        """Whether log probabilities cover the whole text; None where there is no text."""
        return self._data[1] >= self._data[0] if self._data[0] else None

    def delta(self, choice: dict[str, Any], delta: dict[str, Any], found: list[Event]) -> None:
        """Read what is new."""
        content = delta.get("content")
        if len(delta) > 1 or content is None:
            self._beside(delta, found)
        if content is None:
            content = choice.get("text")
        said = choice.get("logprobs")
        entries: tuple[dict[str, Any], ...] = ()
        if said is not None:
            text = content if isinstance(content, str) else ""
            entries = logprobs.entries_of(said, text, choice.get("token_id", delta.get("token_id")))
            self.entries += len(entries)
            if self._asked:
                self._data[1] += logprobs.length(entries)
            if isinstance(said, dict) and said.get("refusal"):
                self.refusal_entries += logprobs.refusal_entries(said)
        if content.__class__ is str:
            if content or entries:
                self._tell(content, entries, found)
        elif content is not None:
            self._parts(content, found)
            if entries:
                found.append(Delta(self._index, "", len(entries), entries))
        elif entries:
            found.append(Delta(self._index, "", len(entries), entries))

    def message(self, choice: dict[str, Any], message: dict[str, Any], found: list[Event]) -> None:
        """Read a whole message. In a stream it may repeat what came, or be a piece: what did not come is told."""
        calls = message.get("tool_calls")
        if calls and self._calls is None:
            found += self._tools().add(calls, each_new=True)
        if not self._told:
            self.delta(choice, {**message, "tool_calls": None} if calls else message, found)
            return
        content, so_far = message.get("content"), "".join(self._told)
        if not isinstance(content, str):
            return
        if not self._piecewise:
            if content.startswith(so_far):
                content = content[len(so_far) :]
            elif so_far.startswith(content):
                return
            else:
                self._piecewise = True  # messages that are not the text so far are pieces of it
        if content:
            self._tell(content, (), found)

    def ends(self, choice: dict[str, Any], found: list[Event]) -> None:
        """Take the finish reason of a chunk: the first that says something counts."""
        finish, own = finish_of(choice.get("finish_reason"))
        if self.finished or (finish is None and own is None):
            return
        native = choice.get("native_finish_reason")
        self.finish, self.native = finish, mended(native) if isinstance(native, str) and native else own
        self.finished = True
        self.rest(found)

    def rest(self, found: list[Event]) -> None:
        """Tell what was held back."""
        for thought, text in self._tags.rest() if self._tags is not None else ():
            found.append(self._piece(thought, text))
        for halves, kind in ((self._text, Delta), (self._thought, Reasoned), (self._refusal, Refused)):
            if held := halves.rest():
                found.append(kind(self._index, held))
        if self._calls is not None:
            found += self._calls.end()
        if self._blocks is not None and (blocks := self._blocks.end()):
            found.append(Kept(self._index, blocks))

    def _tell(self, text: str, entries: tuple[dict[str, Any], ...], found: list[Event]) -> None:
        """Tell text as it came, and entries with it."""
        if not text.isascii() or self._text.held:
            text = self._text.whole(text)
        if text:
            self._told.append(text)
        if self._asked:
            self._data[0] += len(text.encode())
        if self._tags is None:
            if text or entries:
                found.append(Delta(self._index, text, len(entries), entries))
            return
        if entries:
            found.append(Delta(self._index, "", len(entries), entries))
        found += [self._piece(thought, piece) for thought, piece in self._tags.split(text)]

    def _piece(self, thought: bool, text: str) -> Event:
        return Reasoned(self._index, text) if thought else Delta(self._index, text, 0)

    def _parts(self, content: Any, found: list[Event]) -> None:
        """Content as a list of parts: Mistral's thoughts and text, pictures."""
        for part in content if isinstance(content, list) else [content]:
            if isinstance(part, str):
                part = {"type": "text", "text": part}
            if not isinstance(part, dict):
                continue
            kind = str(part.get("type"))
            if kind in {"thinking", "reasoning"}:
                self._think(thought_of(part), found)
            elif kind == "refusal":
                self._refuse(part.get("refusal"), found)
            elif kind in {"image_url", "image"}:
                self._pictures([part], found)
            elif isinstance(part.get("text"), str):
                if part["text"]:
                    self._tell(part["text"], (), found)
            else:
                self._left_out(kind, found)

    def _beside(self, delta: dict[str, Any], found: list[Event]) -> None:
        """What stands in a delta beside its content. The same thought under two names is told once."""
        thought: Any = None
        for name in _REASONING:
            thought = thought or delta.get(name)
        details = delta.get("reasoning_details")
        if details:
            self._blocks = self._blocks or Blocks()
            text = self._blocks.add(details)
            thought = thought or text
        if thought:
            self._think(thought_of(thought), found)
        calls = delta.get("tool_calls")
        if calls:
            found += self._tools().add(calls)
        older = delta.get("function_call")
        if isinstance(older, dict):
            found += self._tools().add([{"index": 0, "function": older}])
        refusal = delta.get("refusal")
        if refusal:
            self._refuse(refusal, found)
        notes = delta.get("annotations")
        if isinstance(notes, list):
            self.annotations += [sayable(note) for note in notes if isinstance(note, dict)]
        images = delta.get("images")
        if images:
            self._pictures(images, found)
        if delta.get("audio"):
            self._left_out("audio", found)

    def _think(self, text: str, found: list[Event]) -> None:
        if text := self._thought.whole(text) if text else "":
            found.append(Reasoned(self._index, text))

    def _refuse(self, text: Any, found: list[Event]) -> None:
        if isinstance(text, str) and (text := self._refusal.whole(text)):
            found.append(Refused(self._index, text))

    def _pictures(self, images: Any, found: list[Event]) -> None:
        for image in images if isinstance(images, list) else ():
            said = image.get("image_url", image.get("url")) if isinstance(image, dict) else image
            url = said.get("url") if isinstance(said, dict) else said
            if isinstance(url, str) and url:
                found.append(Pictured(self._index, mended(url)))

    def _left_out(self, kind: str, found: list[Event]) -> None:
        if kind not in self._unread:
            self._unread.add(kind)
            found.append(Warned(f"a part of type {ascii(kind)[:60]} of the answer is left out; response.raw has it"))

    def _tools(self) -> ToolCalls:
        if self._calls is None:
            self._calls = ToolCalls(self._index)
        return self._calls
