"""Errors of any shape: what a body says, with its codes, the field it is about, a status and a delay.

The shapes are those of OpenAI, Azure, Anthropic, Gemini, OpenRouter, xAI, Scaleway, vLLM, FastAPI, Cohere, NIM, Hugging
Face, Ollama, llama.cpp and of gateways before them, as of November 2026. Nothing is taken for granted: any value of any
type may stand anywhere.
"""

from __future__ import annotations

import html
import json
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

MOST = 1 << 20  # bytes of a body that are looked at
DEEPEST = 6
_NESTS = ("error", "errors", "err", "fault", "exception")
_TEXTS = ("message", "Message", "msg", "error_message", "errorMessage", "detail", "error_description", "faultstring",
          "status_msg", "description", "localizedMessage", "title")  # fmt: skip
_CODES = ("code", "error_code", "errorCode", "errorcode", "reason", "type", "error_type", "__type", "status")
_STATUSES = ("status", "code", "statusCode", "status_code", "http_status", "httpStatus", "error_code", "http_code",
             "http_status_code")  # fmt: skip
_PARAMS = ("param", "parameter", "field")
_IDS = ("request_id", "requestId", "requestID")
_WORD = re.compile(r"[A-Za-z][\w./-]{1,80}")
_PARAM = re.compile(r"[\w.\[\]$-]{1,100}")
_VAGUE = {"", "error", "provider returned error", "bad request", "internal server error", "an error occurred"}
_CHARSETS = {"iso-8859-1", "latin-1", "windows-1252", "gbk", "gb2312", "gb18030", "big5", "shift_jis", "euc-jp",
             "euc-kr", "utf-16"}  # fmt: skip


@dataclass(slots=True)
class Said:
    """What an error says.

    text: in words, "" where there are none. codes: words for programs, in small letters with underscores, the most
    telling first. hints: all its texts. param: the field it is about. status: of HTTP, 400 to 599, where the body names
    one. delay: seconds it asks to wait. request_id: the provider's name of the exchange. page: whether it is a web
    page.
    """

    text: str = ""
    codes: list[str] = field(default_factory=list)
    hints: list[str] = field(default_factory=list)
    param: str | None = None
    status: int | None = None
    delay: float | None = None
    request_id: str | None = None
    page: bool = False


def said_in(value: Any) -> Said:
    """What a parsed value says."""
    said = Said()
    said.text = _read(value, said, 0)
    return said


def said(body: bytes, content_type: str = "") -> Said:
    """What a body of any kind says: JSON, also half of it, events, a web page, plain text, nothing."""
    text = decoded(body[:MOST], content_type).strip()
    value = _parsed(text)
    if isinstance(value, dict | list | str):
        return said_in(value)
    if text[:1] in {"{", "["}:
        found = said_in(_rescued(text[:65536]))
        return found if found.text or found.codes else Said(text, hints=[text])
    if _is_page(text):
        title = _title(text[:65536])
        return Said(title, hints=[title], page=True)
    return Said(text, hints=[text])


def decoded(body: bytes, content_type: str = "") -> str:
    """The text of a body: UTF-8 where it is that, else what it says it is; what cannot be read is replaced."""
    if body[:2] in {b"\xff\xfe", b"\xfe\xff"}:
        return body.decode("utf-16", "replace").removeprefix("\ufeff")
    try:
        return body.decode("utf-8-sig")
    except UnicodeDecodeError:
        named = content_type.lower().rpartition("charset=")[2].split(";")[0].strip(" \"'")
        return body.decode(named if named in _CHARSETS else "utf-8", "replace").removeprefix("\ufeff")


def seconds(value: Any) -> float | None:
    """A duration in seconds: a number, `34s`, `2m59.5s`, `350ms`, `{"seconds": 34}`; None for anything else."""
    match value:
        case bool():
            return None
        case int() | float():
            number = _number(value)
        case {"seconds": int() | float() | str() as whole}:
            number = seconds(whole)
        case str() if len(value) < 40:
            number = _duration(value.strip().lower())
        case _:
            return None
    return number if number is not None and math.isfinite(number) and number >= 0 else None


# -- inside ----------------------------------------------------------------------------------------------------------


def _read(value: Any, said: Said, depth: int) -> str:
    """The text of a value; what else it says is put into `said`, what stands outside first."""
    if depth > DEEPEST:
        return ""
    match value:
        case str():
            inner = _parsed(value) if value.lstrip()[:1] in {"{", "["} else None
            if isinstance(inner, dict | list):
                return _read(inner, said, depth + 1)
            said.hints.append(value)
            return value
        case list():
            texts = [_read(item, said, depth + 1) for item in value[:8]]
            return "; ".join(dict.fromkeys(t for t in texts if t.strip()))
        case dict():
            return _read_object(value, said, depth)
    return ""


def _read_object(found: dict[Any, Any], said: Said, depth: int) -> str:
    _take_facts(found, said)
    where = found.get("loc")
    if isinstance(where, list) and isinstance(found.get("msg"), str):  # FastAPI's and pydantic's
        return _located(where, found["msg"], said)
    nested = [_read(found[name], said, depth + 1) for name in _NESTS if isinstance(found.get(name), dict | list)]
    labels = [found[name] for name in _NESTS if isinstance(found.get(name), str)]
    texts = [_read(found[name], said, depth + 1) for name in _TEXTS if found.get(name)]
    for label in labels:
        if _WORD.fullmatch(label):
            said.codes.append(_slug(label))
        texts.append(_read(label, said, depth + 1))
    for name in ("innererror", "inner_error", "cause", "base_resp", "response"):
        if isinstance(found.get(name), dict):
            texts.append(_read(found[name], said, depth + 1))
    _take_details(found.get("details"), said, texts, depth)
    texts = [t for t in (*nested, *texts) if t.strip()]
    if isinstance(found.get("metadata"), dict):
        texts = _upstream(found["metadata"], said, depth) + texts
    telling = [t for t in texts if t.strip().lower().rstrip(".") not in _VAGUE]
    return (telling or texts or [""])[0]


def _take_facts(found: dict[Any, Any], said: Said) -> None:
    for name in _CODES:
        code = found.get(name)
        if isinstance(code, str) and _WORD.fullmatch(code):
            said.codes.append(_slug(code))
        elif isinstance(code, str):
            said.hints.append(code)
    for name in _STATUSES:
        number = _number(found.get(name))
        if said.status is None and number is not None and 400 <= number < 600:
            said.status = int(number)
    for name in _PARAMS:
        if said.param is None:
            said.param = _a_param(found.get(name))
    for name in _IDS:
        if said.request_id is None and isinstance(found.get(name), str):
            said.request_id = found[name]
    delays = (found.get("retryDelay"), found.get("retry_after"), found.get("estimated_time"))
    milliseconds = seconds(found.get("retry_after_ms"))
    for delay in (*delays, None if milliseconds is None else milliseconds / 1000):
        if said.delay is None:
            said.delay = seconds(delay)


def _take_details(details: Any, said: Said, texts: list[str], depth: int) -> None:
    """Google's list of further facts; elsewhere a text, or anything."""
    if isinstance(details, str):
        texts.append(_read(details, said, depth + 1))
    for item in details[:16] if isinstance(details, list) else ():
        if not isinstance(item, dict):
            continue
        _take_facts({k: v for k, v in item.items() if k != "@type"}, said)
        for name in ("violations", "fieldViolations"):
            for row in _rows(item.get(name)):
                if isinstance(row.get("quotaId"), str):
                    said.codes.append(_slug(row["quotaId"]))
                if said.param is None:
                    said.param = _a_param(row.get("field"))


def _upstream(metadata: dict[Any, Any], said: Said, depth: int) -> list[str]:
    """What the provider behind OpenRouter said, or why its moderation refused; never the words it was about."""
    text = _read(metadata.get("raw"), said, depth + 1)
    if not text.strip():
        reasons = metadata.get("reasons")
        if not (isinstance(reasons, list) and reasons):
            return []
        said.codes.append("content_filter")
        text = "flagged for " + ", ".join(r for r in reasons[:8] if isinstance(r, str))
    name = metadata.get("provider_name")
    return [f"{name}: {text}" if isinstance(name, str) and name.strip() else text]


def _located(where: list[Any], text: str, said: Said) -> str:
    path = ".".join(str(part) for part in where if isinstance(part, str | int) and part not in {"body", "query"})
    if said.param is None:
        said.param = _a_param(path)
    said.hints.append(text)
    return f"{path}: {text}" if path else text


def _rows(value: Any) -> Iterator[dict[Any, Any]]:
    return (row for row in (value[:16] if isinstance(value, list) else ()) if isinstance(row, dict))


def _a_param(value: Any) -> str | None:
    return value if isinstance(value, str) and _PARAM.fullmatch(value) else None


def _slug(word: str) -> str:
    return word.strip().replace("-", "_").replace(" ", "_").lower()


def _number(value: Any) -> float | None:
    """A number, or a text that is one; never a truth value."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    if isinstance(value, str) and not (value.isascii() and len(value) < 40):
        return None
    try:
        return float(value)
    except (ValueError, OverflowError):
        return None


_UNITS = {"ms": 0.001, "milliseconds": 0.001, "s": 1.0, "sec": 1.0, "secs": 1.0, "second": 1.0, "seconds": 1.0,
          "m": 60.0, "min": 60.0, "minute": 60.0, "minutes": 60.0, "h": 3600.0, "hour": 3600.0, "hours": 3600.0,
          "d": 86400.0, "day": 86400.0, "days": 86400.0}  # fmt: skip
DURATION = re.compile(r"(\d{1,15}(?:\.\d{0,15})?)\s{0,2}([a-z]+)\s{0,2}")


def _duration(text: str) -> float | None:
    if (number := _number(text)) is not None:
        return number
    total, at = 0.0, 0
    for part in DURATION.finditer(text):
        if part.start() != at or part[2] not in _UNITS:
            return None
        total, at = total + float(part[1]) * _UNITS[part[2]], part.end()
    return total if at and at == len(text) else None


# -- bodies that are no JSON -----------------------------------------------------------------------------------------


def _parsed(text: str) -> Any:
    """The JSON in a text: all of it, or of its first event or line that has some; None where there is none."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        pass
    for line in text[:65536].splitlines()[:50]:
        data = line.partition(":")[2] if line.startswith(("data:", "error:")) else line
        if data.lstrip()[:1] == "{":
            try:
                return json.loads(data)
            except (ValueError, RecursionError):
                continue
    return None


_PAIR = re.compile(r'"(message|error|detail|msg|code|type|status|param)"\s{0,9}:\s{0,9}("(?:[^"\\]|\\.)*"|\d{1,9}\b)')


def _rescued(text: str) -> dict[str, Any]:
    """The members of half a JSON text that were whole."""
    found: dict[str, Any] = {}
    for pair in _PAIR.finditer(text):
        try:
            found.setdefault(pair[1], json.loads(pair[2], strict=False))
        except ValueError:
            continue
    return found


def _is_page(text: str) -> bool:
    begin = text[:2048].lower()
    tags = ("<!doctype", "<html", "<head", "<title", "<body", "<?xml")
    return begin.startswith("<") and any(tag in begin for tag in tags)


def _title(text: str) -> str:
    """What a page calls itself, else its first words."""
    for tag in ("title", "h1", "message"):
        inner = _between(text, tag)
        if inner.strip():
            return inner
    short = re.sub(r"(?is)<(script|style)\b.*?</\1\s*>", " ", text[:8192])
    return html.unescape(re.sub(r"<[^<>]*>", " ", short)).strip()


def _between(text: str, tag: str) -> str:
    low = text.lower()  # of the same length but for a few letters, which cost no more than a wrong cut
    begin = low.find(f"<{tag}")
    opened = low.find(">", begin) if begin >= 0 else -1
    ended = low.find(f"</{tag}", opened) if opened >= 0 else -1
    return html.unescape(re.sub(r"<[^<>]*>", " ", text[opened + 1 : ended])) if ended > opened else ""
