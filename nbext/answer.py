"""A finished answer as ONE MIME bundle: what a notebook keeps, and what any reader of it shows without a kernel."""

from __future__ import annotations

import html
import json
import re
from typing import Any
from urllib.parse import urlsplit

from modelhub.kernels.protocol.events import LEAST
from modelhub.kernels.response import Response
from modelhub.kernels.usage import COUNTS, cost_of, cost_text, tokens_of
from modelhub.nbext import beside
from modelhub.nbext.markdown import displayable, preformatted, to_html
from modelhub.nbext.token_view import LEFT, token_view

MIME = "application/vnd.modelhub.chat+json"
FORMATS = ("md", "text", "json", "code", "raw")

SHOWN = 80  # characters of a provider's own finish reason

_FENCE = re.compile(r"^(`{3,}+|~{3,}+)[^\n]*+\n(.*?)^\1", re.M | re.S)


def bundle(response: Response, form: str = "md") -> tuple[dict[str, Any], dict[str, Any]]:
    """The data and metadata of a response in one of FORMATS.

    Times, ids and counts stand in the metadata and in the quiet line of the HTML, nowhere else.
    """
    debug = response.debug
    data: dict[str, Any] = {"text/plain": plain_text(response)}
    if form != "raw":
        data["text/html"] = _html(response, form)
    data[MIME] = _record(response)
    metadata = {
        "modelhub": {
            "id": response.id,
            "created": response.created,
            "usage": debug["usage"],
            "timings": response.timings(),
            "seed": debug.get("seed"),
        }
    }
    if debug.get("engine") == "http":
        metadata["modelhub"]["provider"] = {"name": debug.get("provider"), "base": _base(response, debug)}
    return data, metadata


def plain_text(response: Response) -> str:
    """The answer as plain text: its Markdown source, and below it what it has beside it; thoughts are left out."""
    text = displayable(response.partial())
    more = beside.plain(_choices(response)[0])
    return f"{text}\n\n{more}" if text and more else text or more


def more_lines(response: Response, choice: int = 0) -> list[str]:
    """What a choice has beside its text, for a terminal; of its thoughts, how long they are."""
    found = _choices(response)[choice]
    words = len(str(found.get("reasoning", "")).split())
    thought = [f"(thought for {words:,} word{'' if words == 1 else 's'}; response.reasoning has them)"] if words else []
    return [*thought, *beside.plain(found).splitlines()]


def value(response: Response, form: str) -> Any:
    """What `--set` puts into the variable: the text; with `json` the parsed object; with `code` the code alone."""
    text = response.partial()
    if form == "json":
        try:
            return json.loads(_code(text))
        except (ValueError, RecursionError):  # nested deeper than Python reads
            return text
    return _code(text) if form == "code" else text


def quiet_line(response: Response) -> str:
    """Model and, of one elsewhere, its address; seed, tokens, cost, speed and finish in one line."""
    debug = response.debug
    parts = [_who(response, debug)]
    if "seed" in debug and debug["request_parameters"]["temperature"] != 0:
        parts.append(f"seed {debug['seed']}" + ("" if response.request.seed is not None else " (drawn)"))
    parts += _tokens(debug)
    if speed := response.timings()["tokens_per_s"]:
        parts.append(f"{speed:.0f} tok/s")
    if response.error is not None:
        parts.append("failed")
    elif response.interrupted:
        parts.append("stopped")
    elif response.finish_reason:
        parts.append(_finish(response))
    return " · ".join(parts)


def _who(response: Response, debug: dict[str, Any]) -> str:
    """The model as it was asked; of a provider's also its full name and where it is."""
    asked = response.request.model
    if debug.get("engine") != "http":
        return asked
    resolved = debug.get("resolved", {}).get("model", asked)
    name = asked if asked == resolved else f"{asked} ({resolved})"
    base = _base(response, debug)
    return f"{name} at {base.removeprefix('https://')}" if base else name


def _base(response: Response, debug: dict[str, Any]) -> str:
    """Scheme, host and port that the request went to."""
    parts = urlsplit(str((debug.get("request") or {}).get("url") or (response.raw.url if response.raw else "")))
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}" if parts.netloc else ""


def _tokens(debug: dict[str, Any]) -> list[str]:
    """Tokens, as far as they were told, and what they cost where that is known."""
    usage = debug["usage"]
    tokens = usage.get("completion_tokens")
    if debug.get("engine") != "http":
        return [] if tokens is None else [f"{tokens} token{'' if tokens == 1 else 's'}"]  # not every plugin tells
    counts = tokens_of(usage)
    prompt, cached, tokens, thought = (counts.get(name) for name in COUNTS)
    said = []
    if prompt is not None:
        said.append(f"{prompt:,} tokens in" + (f" ({cached:,} cached)" if cached else ""))
    if tokens is not None:
        said.append(f"{tokens:,} out" + (f" ({thought:,} thinking)" if thought else ""))
    cost = cost_of(usage, debug.get("prices") or {})
    return [*([", ".join(said)] if said else []), *([cost_text(cost)] if cost is not None else [])]


def _finish(response: Response) -> str:
    """Why it ended; in the provider's own word, too, where ours does not say it."""
    finish, native = str(response.finish_reason), response.native_finish_reason
    said = {"length": "cut at its limit", "error": "given up by the provider"}.get(finish, finish)
    return f"{said} ({native[:SHOWN]})" if native and finish in {"error", "content_filter"} else said


def _choices(response: Response) -> list[dict[str, Any]]:
    """The choices as plain data, with tool calls that were cut off marked."""
    found = response.to_dict()["choices"]
    return [{**one, "tool_calls": response.calls(i)} if "tool_calls" in one else one for i, one in enumerate(found)]


def _html(response: Response, form: str) -> str:
    parts = []
    for number, choice in enumerate(_choices(response)):
        if number == 0 and form == "md" and response.request.alternatives is not None:
            text = _tokens_of(choice)
        else:
            text = _body(choice["text"], form)
        parts.append(f"{beside.above(choice)}{text}{beside.below(choice)}")
    body = "<hr>".join(parts)
    notes = "".join(_line(n) for n in response.notes) + "".join(_line(f"⚠ {w}") for w in response.warnings)
    return f"{body}{notes}{_line(quiet_line(response))}"


def _tokens_of(choice: dict[str, Any]) -> str:
    """The text in tokens; above them, where they are not all of it, the text as it is else."""
    text, entries = choice["text"], choice["logprobs"]
    covered = sum(len(e["token"].encode("utf-8", "replace") if e.get("bytes") is None else e["bytes"]) for e in entries)
    whole = covered >= len(text.encode("utf-8", "replace"))
    return token_view(entries) if whole else to_html(text) + token_view(entries)


def _body(text: str, form: str) -> str:
    if form == "text":
        return preformatted(text)
    if form == "json":
        try:
            return preformatted(json.dumps(json.loads(_code(text)), indent=2, ensure_ascii=False))
        except (ValueError, RecursionError):
            return preformatted(text)
    return preformatted(_code(text)) if form == "code" else to_html(text)


def _line(text: str) -> str:
    return f'<div style="opacity:.6;font-size:85%">{html.escape(displayable(text), quote=False)}</div>'


def _code(text: str) -> str:
    """The inside of the first fence, or the whole text."""
    found = _FENCE.search(text)
    return found.group(2) if found else text


def _record(response: Response) -> dict[str, Any]:
    """The answer as evidence: what was asked, what came, how it ended. No times, no ids."""
    data = response.to_dict()
    choices = [
        {
            "text": choice["text"],
            "finish_reason": choice["finish_reason"],
            **beside.evidence(choice),
            **({"logprobs": [_entry(e) for e in choice["logprobs"]]} if choice["logprobs"] else {}),
        }
        for choice in _choices(response)
    ]
    record = {
        "version": 1,
        "request": data["request"],
        "choices": choices,
        "interrupted": data["interrupted"],
    }
    # Half characters cannot be sent to a front end: they become question marks.
    return json.loads(json.dumps(record, ensure_ascii=False).encode("utf-8", "replace"))  # type: ignore[no-any-return]  # JSON made above


def _entry(entry: dict[str, Any]) -> dict[str, Any]:
    """A logprobs entry with six decimals, and its bytes only where the text does not say them."""
    short: dict[str, Any] = {"token": entry["token"]}
    short |= {name: _number(entry[name]) for name in ("logprob", LEFT) if name in entry}
    said = entry.get("bytes")
    if said is not None and list(entry["token"].encode("utf-8", "replace")) != said:
        short["bytes"] = said
    if entry.get("top_logprobs"):
        short["top_logprobs"] = [_entry(t) for t in entry["top_logprobs"]]
    return short


def _number(logprob: float | None) -> float | None:
    """With six decimals; None where a provider did not say it."""
    return None if logprob is None else max(round(logprob, 6), LEAST)
