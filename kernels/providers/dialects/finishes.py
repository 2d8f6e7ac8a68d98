"""Why an answer ended: OpenAI's words for everybody's."""

from __future__ import annotations

from typing import Any

from modelhub.kernels.providers.dialects.halves import mended

# By the word in small letters. A word that is not here is none of OpenAI's, and stays the provider's own.
FINISHES = {
    "stop": "stop", "eos": "stop", "eos_token": "stop", "end_turn": "stop", "stop_sequence": "stop",
    "completed": "stop", "complete": "stop", "end": "stop", "reason_stop": "stop",
    "length": "length", "max_tokens": "length", "model_length": "length", "max_length": "length",
    "max_output_tokens": "length", "reason_max_len": "length", "reason_max_context": "length",
    "context_length_exceeded": "length", "model_context_window_exceeded": "length",
    "tool_calls": "tool_calls", "tool_call": "tool_calls", "tool_use": "tool_calls", "reason_tool_calls": "tool_calls",
    "function_call": "function_call",
    "content_filter": "content_filter", "safety": "content_filter", "content_filtered": "content_filter",
    "refusal": "content_filter", "sensitive": "content_filter",
    "error": "error", "insufficient_system_resource": "error", "network_error": "error", "failed": "error",
    "server_error": "error", "engine_overloaded": "error", "malformed_function_call": "error",
}  # fmt: skip


def finish_of(said: Any) -> tuple[str | None, str | None]:
    """OpenAI's finish reason for a provider's, and the provider's own where it differs: ("stop", "eos").

    (None, None) where nothing was said; (None, "abort") for a word that means none of OpenAI's.
    """
    if isinstance(said, dict):  # SGLang's own route: {"type": "stop", "matched": 2}
        said = said.get("type")
    if said is None or said == "" or said is False:
        return None, None
    word = mended(str(said)[:200])
    finish = FINISHES.get(word.lower())
    return finish, None if finish == word else word
