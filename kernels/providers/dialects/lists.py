"""Lists of models, in every shape that servers with OpenAI's routes answer with."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from modelhub.kernels.providers.dialects.dialect import Listed, Page
from modelhub.kernels.providers.dialects.wire_list import second, whole
from modelhub.kernels.providers.dialects.wire_reply import failed
from modelhub.kernels.providers.provider import Provider

MOST = 512  # characters of an id
_KINDS = {
    "chat": "chat", "llm": "chat", "vlm": "chat", "text-generation": "chat", "conversational": "chat",
    "image-text-to-text": "chat", "language": "completion", "code": "completion", "completion": "completion",
    "text-completion": "completion", "embedding": "embedding", "embeddings": "embedding",
    "text-embedding": "embedding", "feature-extraction": "embedding", "image": "other", "audio": "other",
    "rerank": "other", "moderation": "other", "video": "other", "transcribe": "other", "tts": "other",
    "speech": "other", "ocr": "other",
}  # fmt: skip
_LENGTHS = ("context_length", "max_context_length", "context_window", "max_model_len", "max_input_tokens", "n_ctx")
_MOST_OUTPUT = ("max_completion_tokens", "max_output_tokens", "max_tokens")


def page(body: Any, provider: Provider) -> Page:
    """Read a list: bare, or under `data` or `models`; of objects or of names.

    A row that is none is left out, and the rest stands. An id that comes twice is told once. Raises ValueError where
    there is no list at all, ProviderError where an error stands in its place.
    """
    if isinstance(body, dict):
        rows = next((body[n] for n in ("data", "models") if isinstance(body.get(n), list)), None)
        if rows is None:
            failed(body, provider)
            if not {"data", "models"} & body.keys():
                raise ValueError("the reply has no list of models under 'data' or 'models'")
            rows = []
    else:
        rows = body
    if not isinstance(rows, list):
        raise ValueError(f"the reply is no list of models, but {type(body).__name__}")
    found: dict[str, Listed] = {}
    for row in rows:
        listed = _listed(row, provider)
        if listed is not None:
            found.setdefault(listed.id, listed)
    return Page(tuple(found.values()))


def _listed(row: Any, provider: Provider) -> Listed | None:
    if isinstance(row, str):
        row = {"id": row}
    if not isinstance(row, dict):
        return None
    ident = next((row[n] for n in ("id", "key", "name", "model") if isinstance(row.get(n), str) and row[n]), "")
    if not ident.strip() or len(ident) > MOST or not ident.isprintable():
        return None
    title = next((row[n] for n in ("display_name", "title", "name") if isinstance(row.get(n), str)), "")
    created = row.get("created", row.get("created_at"))
    hosts = _rows(row.get("providers"))  # Hugging Face's router: who serves it
    top = _rows([row.get("top_provider")])  # OpenRouter: the host it asks first
    return Listed(
        id=ident,
        title=title if title != ident and title.isprintable() else "",
        kind=_kind(row),
        context_length=_length(row, _LENGTHS) or _most([*top, *hosts], "context_length"),
        most_output=_length(row, _MOST_OUTPUT) or _most(top, "max_completion_tokens"),
        capabilities=_capabilities(row, hosts),
        parameters=tuple(p for p in row.get("supported_parameters") or () if isinstance(p, str))
        if isinstance(row.get("supported_parameters"), list)
        else (),
        prices=_prices(row.get("pricing"), provider),
        created=second(created) if isinstance(created, str) else whole(created),
        owned_by=next((row[n] for n in ("owned_by", "organization", "publisher") if _said(row.get(n))), None),
        description=row["description"] if _said(row.get("description")) else None,
        retired=row.get("active") is False or bool(row.get("is_deprecated")) or row.get("status") == "deprecated",
        raw=row,
    )


def _kind(row: Mapping[str, Any]) -> str | None:
    can = row.get("capabilities")
    if isinstance(can, dict):
        for name, kind in (("completion_chat", "chat"), ("chat_completion", "chat"), ("completion", "completion"),
                           ("embeddings", "embedding")):  # fmt: skip
            if can.get(name) is True:
                return kind
        if can.get("completion_chat") is False or can.get("chat_completion") is False:
            return "other"
    for said in (row.get("type"), row.get("task"), row.get("pipeline_tag"), row.get("model_type")):
        if isinstance(said, str) and said.lower() in _KINDS:
            return _KINDS[said.lower()]
    shape = row.get("architecture")
    if isinstance(shape, dict) and isinstance(outputs := shape.get("output_modalities"), list):
        return "chat" if "text" in outputs else "embedding" if "embeddings" in outputs else "other"
    return None


def _capabilities(row: Mapping[str, Any], hosts: list[dict[str, Any]]) -> tuple[str, ...]:
    """What it can, in modelhub's words, sorted."""
    can = row.get("capabilities")
    found: set[str] = set()
    if isinstance(can, dict):
        names = {
            "function_calling": "tools", "tools": "tools", "trained_for_tool_use": "tools", "vision": "vision",
            "audio": "audio", "reasoning": "reasoning",
        }  # fmt: skip
        found |= {ours for theirs, ours in names.items() if can.get(theirs)}
    elif isinstance(can, list):
        names = {"tool_use": "tools", "tools": "tools", "vision": "vision", "multimodal": "vision",
                 "reasoning": "reasoning"}  # fmt: skip
        found |= {names[c] for c in can if isinstance(c, str) and c in names}
    taken = row.get("supported_parameters")
    if isinstance(taken, list):
        names = {"tools": "tools", "logprobs": "logprobs", "structured_outputs": "json_schema",
                 "reasoning": "reasoning"}  # fmt: skip
        found |= {names[p] for p in taken if isinstance(p, str) and p in names}
    shape = row.get("architecture")
    inputs = shape.get("input_modalities") if isinstance(shape, dict) else None
    if isinstance(inputs, list):
        found |= {word for word, theirs in (("vision", "image"), ("audio", "audio")) if theirs in inputs}
    if row.get("type") == "vlm":
        found.add("vision")
    if any(host.get("supports_tools") for host in hosts):
        found.add("tools")
    return tuple(sorted(found))


def _prices(pricing: Any, provider: Provider) -> dict[str, float]:
    """US dollars for a million tokens, where the provider's record says what its numbers are.

    Its setting `prices` is "token" (dollars a token, OpenRouter) or "million" (Together). Below 0 means that it
    depends.
    """
    unit = {"token": 1e6, "million": 1.0}.get(provider.settings.get("prices", ""))
    if unit is None or not isinstance(pricing, dict):
        return {}
    names = {"prompt": "prompt", "input": "prompt", "completion": "completion", "output": "completion",
             "input_cache_read": "cached", "cached_input": "cached"}  # fmt: skip
    found: dict[str, float] = {}
    for theirs, ours in names.items():
        try:
            price = float(pricing[theirs])
        except (KeyError, TypeError, ValueError):
            continue
        if math.isfinite(price) and price >= 0:
            found.setdefault(ours, round(price * unit, 9))
    return found


def _length(row: Mapping[str, Any], names: tuple[str, ...]) -> int | None:
    return next((n for name in names if (n := whole(row.get(name)))), None)


def _most(rows: list[dict[str, Any]], name: str) -> int | None:
    return max((n for row in rows if (n := whole(row.get(name)))), default=None)


def _rows(value: Any) -> list[dict[str, Any]]:
    return [row for row in value if isinstance(row, dict)] if isinstance(value, list) else []


def _said(value: Any) -> bool:
    return isinstance(value, str) and bool(value)
