"""Servers that complete texts and know no chats: OpenAI's older `POST /completions`.

The messages become one text. Setting `prompt_format` says how. "plain", the default: one message of the user alone goes
as it is, a conversation as `System: TEXT`, `User: TEXT`, `Assistant: TEXT`, with blank lines between and `Assistant:`
at the end. "raw": the messages' texts, joined as they are. "chatml": with `<|im_start|>` and `<|im_end|>`, where the
model was trained on them. No stop text is added: `stop` says where such an answer ends.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from modelhub.errors import BadRequest
from modelhub.kernels.protocol.honesty import N, X
from modelhub.kernels.protocol.request import ChatRequest, short
from modelhub.kernels.providers.dialects.openai import OpenAI
from modelhub.kernels.providers.dialects.openai_fields import RULES, fields_of, stream_options
from modelhub.kernels.providers.dialects.wire_fields import with_extra
from modelhub.kernels.providers.rules import FieldRule, Target

_CHAT = "this server completes texts and knows no chats"
_NO_CHAT = dict.fromkeys(
    ("tools", "parallel_tool_calls", "functions", "reasoning_effort", "verbosity", "web_search_options", "moderation",
     "response_format", "modalities", "audio", "messages.image_url", "messages.input_audio", "messages.file"),
    FieldRule(X, _CHAT),
) | dict.fromkeys(("tool_choice", "function_call"), FieldRule(X, _CHAT, ("none", "auto")))  # fmt: skip
_NAMES = {"system": "System", "developer": "System", "user": "User", "assistant": "Assistant", "tool": "Result",
          "function": "Result"}  # fmt: skip


class Completions(OpenAI):
    """The dialect."""

    name = "completions"
    rules: Mapping[str, FieldRule] = {
        **RULES,
        **_NO_CHAT,
        "messages": FieldRule("honoured", "written out as one text; see the setting prompt_format"),
        "messages.name": FieldRule(N, _CHAT),
        "max_completion_tokens": FieldRule("honoured", "from 1", wire="max_tokens"),
        "top_logprobs": FieldRule("honoured", "0 to 5, needs logprobs", high=5),
        "store": FieldRule(N, "every turn is kept in the local log"),
    }

    def address(self, target: Target) -> str:
        """See `OpenAI.address`."""
        return f"{target.provider.base_url}/completions"

    def body(self, request: ChatRequest, target: Target) -> dict[str, Any]:
        """See `OpenAI.body`."""
        said = fields_of(request, target)
        if said.pop("logprobs", None):
            said["logprobs"] = said.pop("top_logprobs", None) or 1
        text = prompt(request, str(target.settings.get("prompt_format") or "plain"))
        body = {"model": target.model, "prompt": text, **said, "stream": True, **stream_options(request, target)}
        return with_extra(body, request)


def prompt(request: ChatRequest, form: str) -> str:
    """The messages of a request as one text. form: `plain`, `raw` or `chatml`. Raises BadRequest for another."""
    said = [(message.role, message.text) for message in request.messages]
    match form:
        case "plain" if len(said) == 1 and said[0][0] == "user":
            return said[0][1]
        case "plain":
            return "\n\n".join([*(f"{_NAMES[role]}: {text}" for role, text in said), "Assistant:"])
        case "raw":
            return "".join(text for _, text in said)
        case "chatml":
            turns = "".join(f"<|im_start|>{role}\n{text}<|im_end|>\n" for role, text in said)
            return f"{turns}<|im_start|>assistant\n"
    raise BadRequest(f"the setting prompt_format is plain, raw or chatml; got {short(form)}", param="messages")


DIALECT = Completions()
