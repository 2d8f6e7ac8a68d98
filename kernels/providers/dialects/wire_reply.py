"""What readers of replies have in common: JSON of an event, counts, errors for what is no reply."""

from __future__ import annotations

from typing import Any

from modelhub.errors import ProviderError, StreamTruncated
from modelhub.kernels.protocol.events import Delta, Event, Reasoned, Started, Warned
from modelhub.kernels.protocol.request import ChatRequest
from modelhub.kernels.providers.dialects.halves import Halves
from modelhub.kernels.providers.dialects.wire_content import hints
from modelhub.kernels.providers.failures import failures
from modelhub.kernels.providers.failures.failures import failure_in
from modelhub.kernels.providers.provider import Provider
from modelhub.kernels.providers.stream.parsed import parsed
from modelhub.kernels.providers.stream.server_event import ServerEvent

DONE = "[DONE]"  # ends OpenAI's streams, and those of others that gateways made alike


class Told:
    """What is told of a reply, whatever the wire: text and thoughts in whole characters, and what is known of it."""

    def __init__(self, request: ChatRequest, provider: Provider, warnings: tuple[str, ...] = ()) -> None:
        """Nothing has come. warnings: told first, after what the messages say that no wire but OpenAI's can."""
        self._warnings = [*hints(request), *warnings]
        self._wanted = request.alternatives is not None  # log probabilities
        self._provider = provider
        self._entries = False  # whether any came
        self._said: dict[str, Any] = {}
        self._usage: dict[str, Any] = {}
        self._halves: dict[tuple[type, int], Halves] = {}

    def first(self, **said: Any) -> list[Event]:
        """The warnings, and what the provider says of its answer: `id`, `model`; each is told once."""
        found: list[Event] = [Warned(text) for text in self._warnings]
        self._warnings = []
        new = {n: v for n, v in said.items() if isinstance(v, str) and v and self._said.get(n) != v}
        self._said |= new
        return [*found, Started({"said": new})] if new else found

    def counted(self, usage: dict[str, Any]) -> list[Event]:
        """What is counted so far, where it is new: an answer that breaks off has it, too."""
        if usage == self._usage:
            return []
        self._usage = usage
        return [Started({"usage": usage})]

    def text(self, index: int, text: Any, entries: tuple[dict[str, Any], ...] = ()) -> list[Event]:
        """New text of a choice, with the log probabilities of its tokens."""
        shown = self._whole(Delta, index, text)
        self._entries = self._entries or bool(entries)
        return [Delta(index, shown, len(entries), entries)] if shown or entries else []

    def thought(self, index: int, text: Any) -> list[Event]:
        """New text of what a choice thinks."""
        shown = self._whole(Reasoned, index, text)
        return [Reasoned(index, shown)] if shown else []

    def rest(self) -> list[Event]:
        """What was held back, at the end; and that log probabilities were asked for and did not come."""
        rests = [(kind, index, halves.rest()) for (kind, index), halves in self._halves.items()]
        found: list[Event] = [
            Delta(index, rest, 0) if kind is Delta else Reasoned(index, rest) for kind, index, rest in rests if rest
        ]
        if self._wanted and not self._entries and any(kind is Delta for kind, _ in self._halves):
            self._wanted = False
            found.append(Warned(f"{self._provider.shown} sent no log probabilities, though they were asked for"))
        return found

    def _whole(self, kind: type, index: int, text: Any) -> str:
        if not isinstance(text, str) or not text:
            return ""
        return self._halves.setdefault((kind, index), Halves()).whole(text)


def object_in(event: ServerEvent, provider: Provider, beside: str = "") -> dict[str, Any] | None:
    """The JSON object of an event; None for an empty one, for `DONE`, and for one that the end cut.

    beside: what an error may stand beside: then it is not raised, and the reader looks for it.

    Raises ProviderError for an error in it, and of kind `protocol` where it is no object.
    """
    data = event.data.strip()
    if not data or data == DONE:
        return None
    try:
        body = parsed(data)
    except (ValueError, RecursionError):
        if not event.whole:
            return None
        if event.kind == "error" and (said := failure_in({"error": data}, provider)):
            raise said from None
        raise strange(f"an event that is no JSON: {data[:80]}", provider, data) from None
    if not (beside and isinstance(body, dict) and body.get(beside)):
        failed(body, provider)
    if event.kind == "error":
        raise failure_in({"error": body}, provider) or strange("an error without words", provider, data)
    if not isinstance(body, dict):
        raise strange(f"an event that is no object: {data[:80]}", provider, data)
    return body


def failed(body: Any, provider: Provider) -> None:
    """Raises ProviderError where a reply or an event of one is an error."""
    error = failure_in(body, provider)
    if error is not None:
        raise error


def strange(what: str, provider: Provider, raw: str = "") -> ProviderError:
    """The error for a reply that is not what the dialect knows."""
    return failures.strange(what, provider, raw)


def broken_off(provider: Provider) -> StreamTruncated:
    """The error for a stream whose end was not seen."""
    return StreamTruncated(f"{provider.shown}: the answer broke off before its end", provider=provider.name)


def tally(
    prompt: int | None,
    completion: int | None,
    total: int | None = None,
    cached: int | None = None,
    written: int | None = None,
    reasoning: int | None = None,
) -> dict[str, Any]:
    """OpenAI's usage object, of what is known alone; a total is made only of two known parts."""
    if total is None and prompt is not None and completion is not None:
        total = prompt + completion
    details = {"cached_tokens": cached, "cache_write_tokens": written}
    usage: dict[str, Any] = {"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": total}
    usage = {name: value for name, value in usage.items() if value is not None}
    if known := {name: value for name, value in details.items() if value is not None}:
        usage["prompt_tokens_details"] = known
    if reasoning is not None:
        usage["completion_tokens_details"] = {"reasoning_tokens": reasoning}
    return usage


def text_in(value: Any) -> str:
    """The value, where it is text; else ""."""
    return value if isinstance(value, str) else ""


def rows_in(value: Any) -> list[dict[str, Any]]:
    """The objects of a list; [] where there is none."""
    return [row for row in value if isinstance(row, dict)] if isinstance(value, list) else []


def part_of(value: Any, name: str) -> dict[str, Any]:
    """The object under a name of an object; {} where there is none."""
    found = value.get(name) if isinstance(value, dict) else None
    return found if isinstance(found, dict) else {}
