"""What a model can do, as its chat templates and its vocabulary show."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

TEMPLATE = "tokenizer.chat_template"
_TOOLS = re.compile(r"\btools\b")
_REASONING = re.compile(r"</?think(?:ing)?>|enable_thinking|reasoning_(?:content|effort)|<\|channel\|>")


def templates_of(metadata: Mapping[str, Any]) -> dict[str, str]:
    """The chat templates by name; the usual one is `default` and comes first (gguf-py, add_chat_template)."""
    found = {"default": metadata.get(TEMPLATE)} | {
        key.removeprefix(TEMPLATE + "."): value for key, value in metadata.items() if key.startswith(TEMPLATE + ".")
    }
    return {name: source for name, source in found.items() if isinstance(source, str) and source}


def abilities(metadata: Mapping[str, Any], templates: Mapping[str, str]) -> tuple[str, ...]:
    """Of `chat`, `tools`, `reasoning` and `infill`, those that can be seen; `vision` needs an mmproj file as well."""
    source = "\n".join(templates.values())
    found = ["chat"] if templates else []
    if _TOOLS.search(source) or "tool_use" in templates:
        found.append("tools")
    if _REASONING.search(source):
        found.append("reasoning")
    infill = ("tokenizer.ggml.fim_pre_token_id", "tokenizer.ggml.prefix_token_id")  # the second is the older name
    if any(type(metadata.get(key)) is int for key in infill):
        found.append("infill")
    return tuple(found)
