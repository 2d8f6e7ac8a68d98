"""OpenAI's `POST /chat/completions`, and what everybody else made of it.

Settings of a target, beside those of `openai_messages`: `think_tags`: whether `<think>…</think>` at the beginning of a
text is told as thought ("split"; "open": the prompt ends with the tag). `logprobs`: "number" where the field says how
many. `require_parameters`: fields which OpenRouter shall not drop.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from modelhub.kernels.protocol.request import ChatRequest
from modelhub.kernels.providers.dialects import lists, wire_list
from modelhub.kernels.providers.dialects.dialect import Call, Page, Reader
from modelhub.kernels.providers.dialects.openai_fields import RULES, fields_of, stream_options
from modelhub.kernels.providers.dialects.openai_messages import messages_of
from modelhub.kernels.providers.dialects.openai_reply import OpenAIReader
from modelhub.kernels.providers.dialects.wire_fields import asked, with_extra
from modelhub.kernels.providers.provider import Provider
from modelhub.kernels.providers.rules import FieldRule, Target


class OpenAI:
    """The dialect."""

    name = "openai"
    rules: Mapping[str, FieldRule] = RULES

    def build(self, request: ChatRequest, target: Target) -> Call:
        """See `Dialect.build`."""
        return Call("POST", self.address(target), self.body(request, target), stream=True)

    def address(self, target: Target) -> str:
        """Where a request goes."""
        return f"{target.provider.base_url}/chat/completions"

    def body(self, request: ChatRequest, target: Target) -> dict[str, Any]:
        """The JSON of a request."""
        body = {
            "model": target.model,
            "messages": messages_of(request, target),
            **fields_of(request, target),
            "stream": True,
            **stream_options(request, target),
        }
        wanted = target.settings.get("require_parameters") or ()
        if any(name in wanted for name in asked(request)):
            body["provider"] = {"require_parameters": True}
        return with_extra(body, request)

    def reader(self, request: ChatRequest, target: Target) -> Reader:
        """See `Dialect.reader`."""
        return OpenAIReader(request, target)

    def list_call(self, provider: Provider, following: Mapping[str, str]) -> Call:
        """See `Dialect.list_call`."""
        return wire_list.page_call(provider, following, "/models")

    def list_page(self, body: Any, provider: Provider) -> Page:
        """See `Dialect.list_page`."""
        return lists.page(body, provider)


DIALECT = OpenAI()
