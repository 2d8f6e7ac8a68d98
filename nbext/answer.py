"""A finished answer as ONE MIME bundle: what a notebook keeps, and what any reader of it shows without a kernel."""

from __future__ import annotations

import html
import json
import re
from typing import Any

from modelhub.kernels.protocol.events import LEAST
from modelhub.kernels.response import Response
from modelhub.nbext.markdown import displayable, preformatted, to_html
from modelhub.nbext.token_view import LEFT, token_view

MIME = "application/vnd.modelhub.chat+json"
FORMATS = ("md", "text", "json", "code", "raw")

_FENCE = re.compile(r"^(`{3,}+|~{3,}+)[^\n]*+\n(.*?)^\1", re.M | re.S)


def bundle(response: Response, form: str = "md") -> tuple[dict[str, Any], dict[str, Any]]:
    """The data and metadata of a response in one of FORMATS.

    Times, ids and counts stand in the metadata and in the quiet line of the HTML, nowhere else.
    """
    text = response.partial()
    data: dict[str, Any] = {"text/plain": displayable(text)}
    if form != "raw":
        data["text/html"] = _html(response, form)
    data[MIME] = _record(response)
    metadata = {
        "modelhub": {
            "id": response.id,
            "created": response.created,
            "usage": response.debug["usage"],
            "timings": response.timings(),
            "seed": response.debug.get("seed"),
        }
    }
    return data, metadata


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
    """Model, seed, tokens, speed and finish in one line."""
    debug = response.debug
    parts = [response.request.model]
    if "seed" in debug and debug["request_parameters"]["temperature"] != 0:
        parts.append(f"seed {debug['seed']}" + ("" if response.request.seed is not None else " (drawn)"))
    tokens = debug["usage"].get("completion_tokens")
    if tokens is not None:  # not every plugin tells
        parts.append(f"{tokens} token{'' if tokens == 1 else 's'}")
    if speed := response.timings()["tokens_per_s"]:
        parts.append(f"{speed:.0f} tok/s")
    if response.error is not None:
        parts.append("failed")
    elif response.interrupted:
        parts.append("stopped")
    elif response.finish_reason:
        parts.append({"length": "cut at its limit"}.get(response.finish_reason, response.finish_reason))
    return " · ".join(parts)


def _html(response: Response, form: str) -> str:
    texts = [response.partial(i) for i in range(response.request.n or 1)]
    if response.request.alternatives is not None and form == "md":
        body = token_view(response.to_dict()["choices"][0]["logprobs"])
        body += "".join(f"<hr>{_body(t, form)}" for t in texts[1:])
    else:
        body = "<hr>".join(_body(t, form) for t in texts)
    notes = "".join(_line(n) for n in response.notes) + "".join(_line(f"⚠ {w}") for w in response.warnings)
    return f"{body}{notes}{_line(quiet_line(response))}"


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
            **({"logprobs": [_entry(e) for e in choice["logprobs"]]} if choice["logprobs"] else {}),
        }
        for choice in data["choices"]
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
    short = {"token": entry["token"], "logprob": max(round(entry["logprob"], 6), LEAST)}
    if LEFT in entry:
        short[LEFT] = None if entry[LEFT] is None else max(round(entry[LEFT], 6), LEAST)
    if list(entry["token"].encode("utf-8", "replace")) != entry["bytes"]:
        short["bytes"] = entry["bytes"]
    if entry.get("top_logprobs"):
        short["top_logprobs"] = [_entry(t) for t in entry["top_logprobs"]]
    return short
