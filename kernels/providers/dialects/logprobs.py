"""Log probabilities: OpenAI's entries from every shape they are sent in.

An entry is `{token, logprob, bytes, top_logprobs}`, natural logarithms, with `id` where the token's number is known.
There is one a token, whatever the text beside it says. What a provider writes for minus infinity becomes float("-inf"),
what is no number becomes None, and `raw_logprob` has what came instead. Alternatives nobody sent are none.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from modelhub.kernels.protocol.events import LEAST
from modelhub.kernels.providers.dialects.halves import mended

Entry = dict[str, Any]


def logarithm(value: Any) -> tuple[float | None, float | None]:
    """A logarithm as it is meant, and as it came where that differs and is a number.

    vLLM and OpenAI write -9999 for minus infinity, llama.cpp the least float there is; rounding leaves values a little
    above 0, which no probability has.
    """
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None, None
    try:
        number = float(value)
    except OverflowError:
        return (-math.inf, None) if value < 0 else (0.0, None)
    if math.isnan(number):
        return None, None
    if number <= LEAST:
        return -math.inf, None if math.isinf(number) else number
    if number > 0:
        return 0.0, None if math.isinf(number) else number
    return number, None


def entry(token: Any, logprob: Any, data: Any = None, ident: Any = None, top: Sequence[Entry] | None = None) -> Entry:
    """One entry. data: the token's bytes, None where they are not known; top: its alternatives, None in one of them."""
    value, raw = logarithm(logprob)
    found: Entry = {"token": _token(token), "logprob": value, "bytes": _bytes(data)}
    if top is not None:
        found["top_logprobs"] = list(top)
    if isinstance(ident, int) and not isinstance(ident, bool):
        found["id"] = ident
    if raw is not None:
        found["raw_logprob"] = raw
    return found


def entries_of(said: Any, text: str = "", ident: Any = None) -> tuple[Entry, ...]:
    """The entries of a choice's `logprobs`, of a chunk or whole; () where there are none.

    text: of the chunk, for shapes that say the number alone (Together's stream: one token a chunk, whose id is
    `ident`).
    """
    if said is None:
        return ()
    if isinstance(said, Mapping):
        content = said.get("content")
        if isinstance(content, list):
            return tuple(_entry(item) for item in content if isinstance(item, Mapping))
        if isinstance(said.get("tokens"), list):
            return _parallel(said)
        return ()
    if isinstance(said, list):
        return tuple(_entry(item) for item in said if isinstance(item, Mapping) and "logprob" in item)
    if isinstance(said, int | float) and not isinstance(said, bool):
        return (entry(text, said, ident=ident, top=()),)
    return ()


def refusal_entries(said: Any) -> tuple[Entry, ...]:
    """The entries of a refusal's tokens, which OpenAI sends apart from those of the answer."""
    refusal = said.get("refusal") if isinstance(said, Mapping) else None
    return tuple(_entry(i) for i in refusal if isinstance(i, Mapping)) if isinstance(refusal, list) else ()


def length(entries: Sequence[Entry]) -> int:
    """Bytes of the text that entries stand for."""
    return sum(
        len(e["bytes"]) if e["bytes"] is not None else len(e["token"].encode("utf-8", "replace")) for e in entries
    )


def _entry(item: Mapping[str, Any]) -> Entry:
    top = item.get("top_logprobs")
    alternatives = _alternatives(top)
    found = entry(item.get("token"), item.get("logprob"), item.get("bytes"), _ident(item), alternatives)
    sampled = item.get("sampling_logprob")  # Fireworks: after the sampling filters
    if isinstance(sampled, int | float) and not isinstance(sampled, bool):
        found["sampling_logprob"] = logarithm(sampled)[0]
    return found


def _parallel(said: Mapping[str, Any]) -> tuple[Entry, ...]:
    """Lists side by side: OpenAI's old completions, Together, Fireworks with a number for logprobs."""
    tokens = said["tokens"]
    values, idents, tops = (_list(said.get(name)) for name in ("token_logprobs", "token_ids", "top_logprobs"))
    return tuple(
        entry(token, _at(values, n), ident=_at(idents, n), top=_alternatives(_at(tops, n)))
        for n, token in enumerate(tokens)
    )


def _alternatives(top: Any) -> list[Entry]:
    """Alternatives as a list of entries, or as a mapping from tokens to logarithms."""
    if isinstance(top, Mapping):
        return [entry(token, value) for token, value in top.items()]
    return [
        entry(t.get("token"), t.get("logprob"), t.get("bytes"), _ident(t)) for t in _list(top) if isinstance(t, Mapping)
    ]


def _ident(item: Mapping[str, Any]) -> Any:
    return item.get("id") if item.get("token_id") is None else item.get("token_id")


def _token(value: Any) -> str:
    return mended(value) if isinstance(value, str) else "" if value is None else str(value)


def _bytes(value: Any) -> list[int] | None:
    if isinstance(value, list) and all(type(b) is int and 0 <= b < 256 for b in value):
        return value
    return None


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _at(values: list[Any], number: int) -> Any:
    return values[number] if number < len(values) else None
