"""A choice among several tools, for wires that have none of their own: the others are not sent."""

from __future__ import annotations

import json
from typing import Any

import pytest

from modelhub.errors import BadRequest
from tests.providers.talk import body

TOOLS = [{"type": "function", "function": {"name": name, "parameters": {}}} for name in ("tide", "moon", "wind")]


def choice(mode: str, *names: str) -> dict[str, Any]:
    """A tool_choice of several, in OpenAI's shape."""
    rows = [{"type": "function", "function": {"name": name}} for name in names]
    return {"type": "allowed_tools", "allowed_tools": {"mode": mode, "tools": rows}}


@pytest.mark.parametrize(
    ("provider", "field", "required"),
    [
        ("anthropic", "tool_choice", {"type": "any"}),
        ("gemini", "toolConfig", {"functionCallingConfig": {"mode": "ANY"}}),
        ("cohere", "tool_choice", "REQUIRED"),
    ],
)
def test_allowed_tools_are_those_that_are_sent(provider: str, field: str, required: Any) -> None:
    """The tools that may be called go, in their order, and whether one must be."""
    sent = body(provider, "hi", tools=TOOLS, tool_choice=choice("required", "wind", "tide"))
    assert sent[field] == required
    told = json.dumps(sent["tools"])
    assert told.index("tide") < told.index("wind") and "moon" not in told
    assert body(provider, "hi", tools=TOOLS, tool_choice=choice("auto", "moon")).get(field) != required
    with pytest.raises(BadRequest, match="there is no tool 'sun'"):
        body(provider, "hi", tools=TOOLS, tool_choice=choice("auto", "sun"))


def test_what_no_wire_can_say_is_refused() -> None:
    """Ollama leaves the choice to the model, and a mode that is none is none anywhere."""
    with pytest.raises(BadRequest, match="tool_choice"):
        body("ollama", "hi", tools=TOOLS, tool_choice=choice("required", "tide"))
    with pytest.raises(BadRequest, match="'none', 'auto', 'required'"):
        body("anthropic", "hi", tools=TOOLS, tool_choice=choice("always", "tide"))
