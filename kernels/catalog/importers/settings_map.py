"""Other programs' settings by our names: load parameters, and fields of a request. Each is checked by itself."""

from __future__ import annotations

import json
from typing import Any

from modelhub.errors import BadRequest
from modelhub.kernels.catalog.documents.loose_json import number
from modelhub.kernels.catalog.importers.fields import Fields, plain, truth
from modelhub.kernels.protocol.load_params import LOAD_NAMES, RULES, load_params
from modelhub.kernels.protocol.request import ChatRequest, Extension

# Beside `LOAD_NAMES`: what Jan, cortex (cortex.cpp, model.yml), LocalAI (model configuration) and Ollama call them.
LOAD = {
    "ctx_len": "context", "ctx_size": "context", "context_size": "context", "context_length": "context",
    "max_position_embeddings": "context", "ngl": "gpu_layers", "gpu_layers": "gpu_layers", "cpu_threads": "threads",
    "n_thread": "threads", "mmlock": "mlock", "use_mmap": "mmap", "cache_type": "cache_type_k",
    "flash_attention": "flash_attn", "yarn_orig_ctx": "yarn_orig_ctx", "no_mmap": "mmap",
} | {k: v for k, v in LOAD_NAMES.items() if v is not None}  # fmt: skip
BOTH = {"cache_type", "f16", "f16_kv"}  # set keys and values alike

REQUEST = {
    "token_limit": "max_tokens", "n_predict": "max_tokens", "num_predict": "max_tokens", "maxtokens": "max_tokens",
    "max_predicted_tokens": "max_tokens", "typ_p": "typical_p", "typical": "typical_p", "temp": "temperature",
    "stop_sequences": "stop", "stopwords": "stop", "penalty_repeat": "repeat_penalty", "batch": None,
    "repetition_penalty": "repeat_penalty", "stop_strings": "stop",
}  # fmt: skip
_REQUEST_NAMES = {**ChatRequest.model_fields, **Extension.model_fields}
_LAST = ("top_logprobs", "stream_options", "post_sampling_probs")  # each needs another
# What is the default anyway, as cortex and Ollama write it into every file: (name, value).
NEUTRAL = {
    ("seed", -1), ("max_tokens", -1), ("max_tokens", -2), ("max_tokens", 0), ("n_probs", 0), ("tfs_z", 1),
    ("tfs_z", 0), ("min_keep", 0), ("n_ctx", 0), ("top_k", -1), ("context", 0), ("threads", 0), ("threads", -1),
    ("mirostat", 0), ("penalize_nl", 0), ("n_keep", 0), ("batch", 0), ("ubatch", 0), ("slots", 0),
}  # fmt: skip
_WORDS = {"undefined", "none", "null", "nan"}


def load_settings(fields: Fields, names: dict[str, str] = LOAD) -> dict[str, Any]:
    """The load parameters among the fields that nobody took; the others stay."""
    found: dict[str, Any] = {}
    for key, value in list(fields.pairs()):
        name, ours = plain(key), names.get(plain(key))
        if ours is None:
            fields.put_back(key)
            continue
        if value is None or (isinstance(value, str) and value.strip().lower() in {"", *_WORDS}):
            continue
        wanted = _load_value(name, ours, value)
        if isinstance(wanted, int | float) and (ours, wanted) in NEUTRAL:
            continue
        if ours == "gpu_layers" and isinstance(wanted, int) and wanted > 10_000:
            wanted = 10_000  # all of them, as LocalAI's 99999999
        for target in (ours, "cache_type_v") if name in BOTH else (ours,):
            try:
                load_params(**{**found, target: wanted})
            except BadRequest as error:
                fields.note(f"is left out: {error}", key)
                fields.put_back(key)
            else:
                found[target] = wanted
    return found


def _load_value(name: str, ours: str, value: Any) -> Any:
    if isinstance(value, str) and ours in {"tensor_split"}:
        parts = [number(part.strip()) for part in value.split(",") if part.strip()]
        return parts if all(isinstance(p, int | float) for p in parts) else value
    rule = RULES[ours]
    if rule.bounds is not None and isinstance(value, str):
        value = number(value.strip())
    if rule.bounds is not None and isinstance(value, float) and value.is_integer() and "whole" in rule.expected:
        value = int(value)
    if ours == "flash_attn" and isinstance(truth(value), bool):
        return "on" if truth(value) else "off"
    if name in {"f16", "f16_kv"}:
        return {True: "f16", False: "f32"}.get(truth(value), value) if isinstance(truth(value), bool) else value
    if ours in {"mmap", "mlock", "kv_unified"} and isinstance(truth(value), bool):
        return not truth(value) if name == "no_mmap" else truth(value)
    return value


def request_settings(fields: Fields) -> dict[str, Any]:
    """The fields of a request among those that nobody took, each checked; the others stay.

    What belongs to `x_modelhub` is in it. `x-localai-extensions` and `x_modelhub` are taken apart.
    """
    flat: dict[str, Any] = {}
    for deep in ("x_modelhub", "x-localai-extensions"):
        if deep in fields:
            flat |= _checked(fields.below(deep), deep=True)
    flat |= _checked(fields, deep=False)
    if "max_tokens" in flat and "max_completion_tokens" in flat:
        del flat["max_tokens"]
    found = {k: v for k, v in flat.items() if k in ChatRequest.model_fields}
    extension = {k: v for k, v in flat.items() if k not in ChatRequest.model_fields}
    return found | ({"x_modelhub": extension} if extension else {})


def _checked(fields: Fields, deep: bool) -> dict[str, Any]:
    found: dict[str, Any] = {}
    pairs = [(key, REQUEST.get(plain(key), plain(key)), value) for key, value in list(fields.pairs())]
    for key, name, value in sorted(pairs, key=lambda p: p[1] in _LAST):
        if name not in _REQUEST_NAMES or name in {"model", "messages", "x_modelhub"}:
            fields.put_back(key)
            continue
        wanted = request_value(name, value)
        if wanted is None or (isinstance(wanted, int | float | str) and (name, wanted) in NEUTRAL):
            continue
        try:
            request = ChatRequest.make(
                model="-", messages=[{"role": "user", "content": "-"}], **found, **{name: wanted}
            )
        except BadRequest as error:
            fields.note(f"is left out: {error}", key)
            fields.put_back(key)
        else:
            said = request.to_dict()
            found[name] = said[name] if name in said else said["x_modelhub"][name]
    if deep:
        _leave(fields)
    return found


def _leave(fields: Fields) -> None:
    left = fields.rest()
    if left:
        fields.note(f"has what is not known here, which was left out: {', '.join(left)}")


def request_value(name: str, value: Any) -> Any:
    """A value as the field takes it: numbers and booleans from text, whole numbers from 5.0, JSON from text."""
    kind = str(_REQUEST_NAMES[name].annotation)
    if isinstance(value, str):
        text = value.strip()
        if text == "":
            return None
        if "str" not in kind and ("int" in kind or "float" in kind or "Literal" in kind):
            value = number(text)
        elif kind.startswith("bool"):
            return truth(text)
        elif ("dict" in kind or "list" in kind) and text[0] in "{[":
            try:
                return json.loads(text)
            except (ValueError, RecursionError):
                return value
    if name == "mirostat" and isinstance(truth(value), bool) and not isinstance(value, int | str):
        return int(value)
    if name == "mirostat" and isinstance(value, bool):
        return int(value)
    if isinstance(value, float) and value.is_integer() and "int" in kind and "float" not in kind:
        return int(value)
    if isinstance(value, list):
        value = [v for v in value if v != ""]
        return value or None
    return value
