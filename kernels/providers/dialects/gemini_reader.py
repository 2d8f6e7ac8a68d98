"""Reads replies of Gemini's generateContent: events of a stream, the whole object, or an array of events."""

from __future__ import annotations

import json
from typing import Any

from modelhub.errors import ProviderError
from modelhub.kernels.protocol.events import Called, Ended, Event, Kept, Pictured, Warned
from modelhub.kernels.protocol.request import ChatRequest
from modelhub.kernels.providers.dialects.halves import sayable
from modelhub.kernels.providers.dialects.logprobs import entry
from modelhub.kernels.providers.dialects.usage import counted
from modelhub.kernels.providers.dialects.wire_reply import (
    DONE,
    Told,
    broken_off,
    object_in,
    part_of,
    rows_in,
    strange,
    tally,
    text_in,
)
from modelhub.kernels.providers.failures.failures import failure_in
from modelhub.kernels.providers.rules import Target
from modelhub.kernels.providers.stream.server_event import ServerEvent

# https://ai.google.dev/api/generate-content#FinishReason
FINISHES = {
    "STOP": "stop", "MAX_TOKENS": "length",
    **dict.fromkeys((
        "SAFETY", "RECITATION", "LANGUAGE", "BLOCKLIST", "PROHIBITED_CONTENT", "SPII", "ESCALATION", "IMAGE_SAFETY",
        "IMAGE_PROHIBITED_CONTENT", "IMAGE_RECITATION",
    ), "content_filter"),
    **dict.fromkeys((
        "MALFORMED_FUNCTION_CALL", "UNEXPECTED_TOOL_CALL", "TOO_MANY_TOOL_CALLS", "MISSING_THOUGHT_SIGNATURE",
        "MALFORMED_RESPONSE", "OTHER", "NO_IMAGE", "IMAGE_OTHER",
    ), "error"),
}  # fmt: skip
# What a candidate says of itself beside its content; the last one counts.
FACTS = (
    "avgLogprobs", "citationMetadata", "finishMessage", "groundingMetadata", "safetyRatings", "urlContextMetadata",
)  # fmt: skip


class _Candidate:
    """One choice, as far as it has come."""

    __slots__ = ("calls", "entries", "facts", "native", "pictures")

    def __init__(self) -> None:
        self.calls = self.pictures = 0
        self.entries = 0
        self.facts: dict[str, Any] = {}
        self.native: str | None = None

    @property
    def finish(self) -> str | None:
        finish = FINISHES.get(self.native or "")
        return "tool_calls" if finish == "stop" and self.calls else finish


class GeminiReader:
    """Reads one reply; see `Reader`. A call has no id there: it gets one that no call before it in the request has."""

    def __init__(self, request: ChatRequest, target: Target) -> None:
        """Nothing has come."""
        self._provider = target.provider
        self._told = Told(request, target.provider)
        self._most = request.n or 1
        self._number = sum(len(m.tool_calls or ()) for m in request.messages)
        self._candidates: dict[int, _Candidate] = {}
        self._usage: dict[str, Any] = {}
        self._feedback: dict[str, Any] = {}
        self._beyond = False
        self._failed: ProviderError | None = None  # to be raised when what came beside it is told
        self._whole = False  # whether it came as one JSON value, or somebody said that it is done

    def event(self, event: ServerEvent) -> list[Event]:
        """See `Reader.event`."""
        if self._failed is not None:
            raise self._failed
        body = object_in(event, self._provider, beside="candidates")
        if body is not None:
            return self._read(body)
        self._whole = self._whole or event.data.strip() == DONE
        return self._told.rest() if self._whole else []

    def whole(self, body: Any) -> list[Event]:
        """See `Reader.whole`."""
        found: list[Event] = []
        for part in body if isinstance(body, list) else [body]:
            if (error := failure_in(part, self._provider)) is not None and not part.get("candidates"):
                self._failed = error
                break
            if not isinstance(part, dict) or not part.keys() & {"candidates", "promptFeedback", "usageMetadata"}:
                raise strange("a reply that is no answer of Gemini's", self._provider, json.dumps(body))
            found += self._read(part)
        self._whole = True
        return found + self._told.rest()

    def rest(self) -> list[Event]:
        """See `Reader.rest`."""
        return self._told.rest()

    def end(self) -> Ended:
        """See `Reader.end`."""
        if self._failed is not None:
            raise self._failed
        blocked = text_in(self._feedback.get("blockReason"))
        here = self._candidates
        open_ends = any(c.native is None for c in here.values()) or not (here or blocked)
        if open_ends and not self._whole:
            raise broken_off(self._provider)
        choices = [here.get(index, _Candidate()) for index in range(self._most)]
        finish = tuple("content_filter" if blocked and not here else c.finish for c in choices)
        natives = tuple(blocked if blocked and not here else c.native for c in choices)
        facts = [c.facts for c in choices]
        details: dict[str, Any] = {}
        if any(facts):
            details["candidates"] = facts
        if self._feedback:
            details["promptFeedback"] = self._feedback
        if self._usage:
            details["provider_usage"] = self._usage
        return Ended(finish, tuple(c.entries for c in choices), self._counted(), details, natives)

    def _read(self, body: dict[str, Any]) -> list[Event]:
        found = self._told.first(id=body.get("responseId"), model=body.get("modelVersion"))
        if counts := part_of(body, "usageMetadata"):
            self._usage |= {name: value for name, value in counts.items() if value is not None}
            found += self._told.counted(self._counted())
        self._feedback |= part_of(body, "promptFeedback")
        for row in rows_in(body.get("candidates")):
            index = counted(row.get("index")) or 0
            if index >= self._most:  # more than was asked for, and there is nowhere to show it
                if not self._beyond:
                    found.append(
                        Warned(f"the provider sent more than {self._most} candidates; the others are left out")
                    )
                self._beyond = True
                continue
            found += self._candidate(index, row)
        self._failed = failure_in(body, self._provider) if "error" in body else None
        return found

    def _candidate(self, index: int, row: dict[str, Any]) -> list[Event]:
        candidate = self._candidates.setdefault(index, _Candidate())
        entries = _entries(row.get("logprobsResult"))
        candidate.entries += len(entries)
        found: list[Event] = []
        for part in rows_in(part_of(row, "content").get("parts")):
            told, entries = self._part(index, candidate, part, entries)
            found += told
        if entries:  # of a chunk without text
            found += self._told.text(index, "", entries)
        candidate.facts |= {name: row[name] for name in FACTS if row.get(name) is not None}
        reason = row.get("finishReason")
        if isinstance(reason, str) and reason and candidate.native is None:
            candidate.native = reason
            found += self._told.rest()
            why = row.get("finishMessage")
            if FINISHES.get(reason) != "stop" and isinstance(why, str) and why:
                found.append(Warned(why))
        return found

    def _part(
        self, index: int, candidate: _Candidate, part: dict[str, Any], entries: tuple[dict[str, Any], ...]
    ) -> tuple[list[Event], tuple[dict[str, Any], ...]]:
        """What a part tells, and the log probabilities that are still to be told."""
        if "functionCall" in part:
            return [self._call(index, candidate, part)], entries
        data = part_of(part, "inlineData")
        if mime := text_in(data.get("mimeType")):
            return self._medium(index, candidate, part, mime, text_in(data.get("data"))), entries
        found: list[Event] = []
        if part.keys() & {"thoughtSignature", "executableCode", "codeExecutionResult"}:
            found.append(Kept(index, (sayable(part),)))
        if part.get("thought") is True:
            return [*self._told.thought(index, part.get("text")), *found], entries
        text = self._told.text(index, part.get("text"), entries) if part.get("text") else []
        return [*text, *found], () if text else entries

    def _medium(self, index: int, candidate: _Candidate, part: dict[str, Any], mime: str, data: str) -> list[Event]:
        """A picture, and its signature under its number; a draft, which is a thought, is in response.raw alone."""
        if part.get("thought") is True:
            return []
        if not mime.startswith("image/"):
            return [Warned(f"the answer has a part of type {mime}, which is in response.raw alone")]
        found: list[Event] = [Pictured(index, f"data:{mime};base64,{data}")]
        if signature := text_in(part.get("thoughtSignature")):
            found.append(Kept(index, ({"picture": candidate.pictures, "thoughtSignature": signature},)))
        candidate.pictures += 1
        return found

    def _call(self, index: int, candidate: _Candidate, part: dict[str, Any]) -> Event:
        call = part_of(part, "functionCall")
        ident, signature = text_in(call.get("id")), text_in(part.get("thoughtSignature"))
        google = {**({"id": ident} if ident else {}), **({"thought_signature": signature} if signature else {})}
        number, candidate.calls = candidate.calls, candidate.calls + 1
        made = f"call_{self._number}"
        self._number += 1
        arguments = json.dumps(part_of(call, "args"), ensure_ascii=False)
        extra = {"google": google} if google else {}
        return Called(index, number, ident or made, text_in(call.get("name")), arguments, extra)

    def _counted(self) -> dict[str, Any]:
        """OpenAI's usage: thoughts are part of the completion, the total is Google's."""
        said = self._usage
        prompt, tools = counted(said.get("promptTokenCount")), counted(said.get("toolUsePromptTokenCount"))
        answer, thoughts = counted(said.get("candidatesTokenCount")), counted(said.get("thoughtsTokenCount"))
        completion = None if answer is None and thoughts is None else (answer or 0) + (thoughts or 0)
        prompt = prompt if tools is None else (prompt or 0) + tools
        cached, total = counted(said.get("cachedContentTokenCount")), counted(said.get("totalTokenCount"))
        return tally(prompt, completion, total, cached, None, thoughts)


def _entries(said: Any) -> tuple[dict[str, Any], ...]:
    """OpenAI's entries of a logprobsResult. The API gives no bytes."""
    chosen = rows_in(said.get("chosenCandidates")) if isinstance(said, dict) else []
    tops = rows_in(said.get("topCandidates")) if isinstance(said, dict) else []
    found = []
    for place, row in enumerate(chosen):
        others = rows_in(tops[place].get("candidates")) if place < len(tops) else []
        found.append(_entry(row, [_entry(other) for other in others]))
    return tuple(found)


def _entry(row: dict[str, Any], top: list[dict[str, Any]] | None = None) -> dict[str, Any]:
    # A logarithm of 0 is left out, as protobuf leaves out every zero.
    return entry(row.get("token"), row.get("logProbability", 0.0), None, row.get("tokenId"), top)
