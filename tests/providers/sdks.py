"""The official SDKs, asked as their own documentation asks them, and what they made of a reply."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import anthropic
import openai

from tests.providers.outcome import Outcome, parsed

KEY = "key-of-a-test"
ASKED: dict[str, Any] = {"model": "m", "messages": [{"role": "user", "content": "hi"}]}


@contextlib.contextmanager
def openai_client(url: str) -> Iterator[openai.OpenAI]:
    """OpenAI's SDK, told this address; it asks once."""
    with openai.OpenAI(base_url=url, api_key=KEY, max_retries=0, timeout=10) as client:
        yield client


@contextlib.contextmanager
def anthropic_client(url: str) -> Iterator[anthropic.Anthropic]:
    """Anthropic's SDK, told this address; it asks once."""
    with anthropic.Anthropic(base_url=url, api_key=KEY, max_retries=0, timeout=10) as client:
        yield client


def of_openai(url: str, stream: bool, **asked: Any) -> Outcome:
    """What OpenAI's SDK makes of the reply at this address."""
    out = Outcome()
    with openai_client(url) as client:
        try:
            if stream:
                with client.chat.completions.create(**ASKED, **asked, stream=True) as chunks:
                    _fold(out, chunks)
            else:
                _read(out, client.chat.completions.create(**ASKED, **asked))
        except Exception as raised:  # whatever it raises is its way of saying that something is wrong
            out.error = raised
    return out


def of_anthropic(url: str, stream: bool, **asked: Any) -> Outcome:
    """What Anthropic's SDK makes of the reply at this address, in OpenAI's words."""
    out = Outcome()
    finishes = {"end_turn": "stop", "stop_sequence": "stop", "max_tokens": "length", "tool_use": "tool_calls"}
    with anthropic_client(url) as client:
        try:
            if stream:
                with client.messages.stream(**ASKED, max_tokens=64, **asked) as events:
                    for piece in events.text_stream:
                        out.choices = [(out.choices[0][0] + piece, None)]
                    message = events.get_final_message()
            else:
                message = client.messages.create(**ASKED, max_tokens=64, **asked)
            text = "".join(block.text for block in message.content if block.type == "text")
            out.choices = [(text, finishes.get(str(message.stop_reason)))]
            out.calls = [(b.id, b.name, b.input) for b in message.content if b.type == "tool_use"]
            out.reasoning = "".join(b.thinking for b in message.content if b.type == "thinking")
            used = message.usage
            cached = used.cache_read_input_tokens or 0
            prompt = used.input_tokens + cached + (used.cache_creation_input_tokens or 0)
            out.usage = {"prompt_tokens": prompt, "completion_tokens": used.output_tokens,
                         "total_tokens": prompt + used.output_tokens,
                         "prompt_tokens_details": {"cached_tokens": cached}}  # fmt: skip
        except Exception as raised:  # as above
            out.error = raised
    return out


def _read(out: Outcome, completion: Any) -> None:
    """A reply that came whole."""
    out.choices = [(c.message.content or "", c.finish_reason) for c in completion.choices]
    first = completion.choices[0]
    out.reasoning = _thought(first.message)
    calls = first.message.tool_calls or []
    out.calls = [(c.id, c.function.name, parsed(c.function.arguments)) for c in calls]
    if first.logprobs is not None and first.logprobs.content:
        out.logprobs = [entry.model_dump() for entry in first.logprobs.content]
    out.usage = completion.usage.model_dump() if completion.usage else {}


def _fold(out: Outcome, chunks: Any) -> None:
    """A reply that came in pieces, put together as everybody does."""
    texts: dict[int, str] = {}
    finishes: dict[int, str | None] = {}
    calls: dict[int, list[str]] = {}
    for chunk in chunks:
        if chunk.usage:
            out.usage = chunk.usage.model_dump()
        for choice in chunk.choices:
            texts[choice.index] = texts.get(choice.index, "") + (choice.delta.content or "")
            finishes[choice.index] = choice.finish_reason or finishes.get(choice.index)
            out.reasoning += _thought(choice.delta)
            if choice.logprobs is not None and choice.logprobs.content:
                out.logprobs = (out.logprobs or []) + [entry.model_dump() for entry in choice.logprobs.content]
            for piece in choice.delta.tool_calls or []:
                call = calls.setdefault(piece.index, ["", "", ""])
                call[0] = piece.id or call[0]
                call[1] += piece.function.name or ""
                call[2] += piece.function.arguments or ""
            out.choices = [(texts[i], finishes[i]) for i in sorted(texts)]
            out.calls = [(ident, name, parsed(arguments)) for ident, name, arguments in calls.values()]


def _thought(message: Any) -> str:
    return getattr(message, "reasoning_content", None) or getattr(message, "reasoning", None) or ""
