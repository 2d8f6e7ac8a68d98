"""What a provider's error means, whatever its shape: a ProviderError of a kind. Nothing is sent or read here."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from http import HTTPStatus
from typing import Any
from urllib.parse import urlsplit

from modelhub.errors import PromptTooLong, ProviderError, RequestRefused
from modelhub.kernels.providers.failures.advice import advice
from modelhub.kernels.providers.failures.kinds import is_loading, is_passing, kind_of, trusted
from modelhub.kernels.providers.failures.params import param_of
from modelhub.kernels.providers.failures.retrying import LOADING
from modelhub.kernels.providers.failures.scrubbing import capped, masked, plain
from modelhub.kernels.providers.failures.shapes import Said, decoded, said, said_in
from modelhub.kernels.providers.failures.waits import retry_after
from modelhub.kernels.providers.provider import Provider

LONGEST = 1900  # characters of a message; with what the hub says of a partial answer they stay below 2,000
MOST_RAW = 1 << 16  # bytes of a body that are kept
REQUEST_IDS = ("x-request-id", "request-id", "x-requestid", "apim-request-id", "x-ms-request-id", "x-goog-request-id",
               "x-debug-trace-id", "x-generation-id", "cf-ray")  # fmt: skip
_CLASSES: Mapping[str, type[ProviderError]] = {
    "bad_request": RequestRefused,
    "unsupported_param": RequestRefused,
    "context_length": PromptTooLong,
}


def failure(
    status: int,
    headers: Mapping[str, str],
    body: bytes,
    provider: Provider,
    *,
    model: str = "",
    known: Iterable[str] = (),
) -> ProviderError:
    """The error that a reply says: any status but a success, or a success that is no answer (a page, nothing at all).

    headers: names in any letters. body: as it came, of any length. model: the id that was asked for; known: ids of the
    provider's models, for a name that is nearly one of them.
    """
    told = {str(k).lower(): str(v) for k, v in headers.items()}
    found = said(body, told.get("content-type", ""))
    raw = decoded(body[: MOST_RAW + 4096], told.get("content-type", ""))
    if 300 <= status < 400:
        return _redirected(status, told, provider, raw)
    kind = "protocol" if status < 400 and found.status is None else kind_of(status, found)
    return _error(kind, status, told, found, raw, provider, model, known)


def failure_in(
    value: Any,
    provider: Provider,
    headers: Mapping[str, str] | None = None,
    event_kind: str = "message",
    *,
    model: str = "",
    known: Iterable[str] = (),
) -> ProviderError | None:
    """The error that stands in a reply, or an event of one, whose status says success; None where there is none.

    value: the parsed JSON, or the text of an event that is none. event_kind: its `event:` field; `error` is one.
    """
    fault = _fault(value)
    if fault is None and event_kind == "error":
        fault = value
    elif fault is None:
        return None
    found = said_in(fault)
    told = {str(k).lower(): str(v) for k, v in (headers or {}).items()}
    return _error(kind_of(None, found), None, told, found, _text(value), provider, model, known)


def strange(what: str, provider: Provider, raw: str = "") -> ProviderError:
    """The error for a reply that is not what it should be. what: as "an event that is no object"."""
    return _made("protocol", f"{provider.shown} sent {_shown(what, LONGEST // 2)}", provider, raw=raw)


def broken(text: str, provider: Provider) -> ProviderError:
    """The error for an event that should be JSON and is not: what it says where it says something, else `protocol`."""
    found = said(text.encode("utf-8", "replace"))
    kind = kind_of(None, found)
    if kind == "server" and not (found.codes or found.status):
        return strange(f"something that is no JSON: {capped(found.text, 200)}", provider, text)
    return _error(kind, None, {}, found, text, provider, "", ())


def kept_raw(body: bytes) -> str:
    """A reply, or its beginning, as `ProviderError.raw` has it."""
    return _kept(decoded(body[: MOST_RAW + 4096]))


def request_id_in(headers: Mapping[str, str]) -> str | None:
    """The provider's name of an exchange, which its support asks for. headers: names in small letters."""
    return next((name for h in REQUEST_IDS if (name := _a_name(headers.get(h)))), None)


# -- inside ----------------------------------------------------------------------------------------------------------


def _fault(value: Any) -> Any:
    """The part of a reply that is its error; None where it has none."""
    if isinstance(value, list):  # Gemini's, without alt=sse
        return next((f for f in map(_fault, value[:64]) if f is not None), None) if value else None
    if not isinstance(value, dict):
        return None
    if value.get("error") and value["error"] is not True:
        return value
    if value.get("object") == "error" or value.get("type") == "error" or value.get("error") is True:
        return value
    groq = value.get("x_groq")  # says why a stream was stopped early
    if isinstance(groq, dict) and groq.get("error"):
        return groq
    choices = value.get("choices")
    for choice in choices[:8] if isinstance(choices, list) else ():
        if isinstance(choice, dict) and isinstance(choice.get("error"), dict | str) and choice["error"]:
            return choice
    if any(value.get(name) is not None for name in ("choices", "candidates", "data", "models", "message", "delta")):
        numbered = value.get("choices") is None and isinstance(value.get("message"), str) and said_in(value).status
        return value if numbered else None
    if value.get("errors") or value.get("detail") or value.get("success") is False:
        return value
    told = value.get("base_resp")  # MiniMax's
    if isinstance(told, dict) and told.get("status_code") not in (0, None):
        return value
    return value if said_in(value).status is not None else None


def _error(
    kind: str,
    status: int | None,
    headers: Mapping[str, str],
    found: Said,
    raw: str,
    provider: Provider,
    model: str,
    known: Iterable[str],
) -> ProviderError:
    counts = trusted(status, found.status)
    wait = retry_after(headers, found, counts)
    param = param_of(found) if kind in {"bad_request", "unsupported_param", "context_length"} else found.param
    param = param and masked(param)
    loading = is_loading(kind, found)
    should = headers.get("x-should-retry", "").strip().lower()
    passing = should == "true" if should in {"true", "false"} else is_passing(kind, counts)
    ending = advice(kind, provider, status=counts, param=param, wait=wait, passing=passing, page=found.page,
                    loading=loading, about_model="model" in found.text.lower() or "deployment" in found.text.lower(),
                    model=model, known=known)  # fmt: skip
    request_id = request_id_in(headers) or _a_name(found.request_id)
    if kind == "server" and request_id:
        ending = f"{ending}; it calls the request {request_id}" if ending else f"it calls the request {request_id}"
    return _made(
        kind,
        _message(provider, status, found, ending),
        provider,
        status=status if status is not None and status >= 400 else found.status,
        retry_after=wait,
        retryable=passing,
        param=param,
        code=LOADING if loading else next(map(masked, found.codes), None),
        raw=raw,
        request_id=request_id,
    )


def _made(kind: str, message: str, provider: Provider, *, raw: str = "", **facts: Any) -> ProviderError:
    made = _CLASSES.get(kind, ProviderError)
    return made(message, kind=kind, provider=provider.name, raw=_kept(raw), **facts)


def _kept(raw: str) -> str:
    return masked(raw).encode("utf-8", "replace")[:MOST_RAW].decode("utf-8", "ignore")


def _message(provider: Provider, status: int | None, found: Said, ending: str) -> str:
    """Who, with which status, said what, and what to type next: one line."""
    who = provider.shown
    if status is not None:
        who += f" answered {status}" + (" with a web page" if found.page else "")
    elif found.status is not None:
        who += f" sent an error ({found.status})"
    else:
        who += " sent an error"
    ending = f"; {ending}" if ending else ""
    text = _shown(found.text, LONGEST - len(who) - len(ending) - 2).rstrip(" .;")
    if not text and found.codes:
        text = _shown(found.codes[0], 100)
    if not text:
        text = _phrase(status) or "nothing more was said"
    return f"{who}: {text}{ending}"


def _redirected(status: int, headers: Mapping[str, str], provider: Provider, raw: str) -> ProviderError:
    try:
        to = urlsplit(headers.get("location", ""))
        where = f"{to.scheme}://{to.hostname or ''}" + (f":{to.port}" if to.port else "") if to.scheme else "elsewhere"
    except ValueError:
        where = "elsewhere"
    return _made(
        "protocol",
        f"{provider.shown} answered {status} and sends the request to {_shown(where, 200)}, which is not followed: a "
        "key goes to no other address; if that one is right, type %models provider edit "
        f"{provider.name} --base-url URL",
        provider,
        status=status,
        raw=raw,
    )


def _shown(text: str, most: int) -> str:
    """Fit to be shown. Cut twice: what is masked must not depend on where a text of a megabyte ends."""
    return capped(masked(plain(text[: 8 * LONGEST])), most)


def _a_name(value: str | None) -> str | None:
    return masked(value) if value and len(value) <= 200 and value.isprintable() else None


def _phrase(status: int | None) -> str:
    try:
        return HTTPStatus(status or 0).phrase
    except ValueError:
        return ""


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value
    try:
        return json.dumps(value, ensure_ascii=False)
    except (ValueError, TypeError, RecursionError):
        return ""
