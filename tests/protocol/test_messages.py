"""Messages as chat templates expect them."""

from __future__ import annotations

from typing import Any

from modelhub.kernels.protocol.messages import for_template
from modelhub.kernels.protocol.request import ChatRequest


def rendered(*messages: dict[str, Any]) -> list[dict[str, Any]]:
    return for_template(ChatRequest.make(model="m", messages=list(messages)).messages)


def test_system_messages_become_one_in_front() -> None:
    """System and developer messages are joined and lead, wherever they stood."""
    assert rendered(
        {"role": "user", "content": "a"},
        {"role": "system", "content": "one"},
        {"role": "developer", "content": "two"},
    ) == [{"role": "system", "content": "one\n\ntwo"}, {"role": "user", "content": "a"}]


def test_parts_are_joined_and_nothing_is_none() -> None:
    """Text parts are joined; a message with no content has empty content."""
    parts = [{"type": "text", "text": "a"}, {"type": "refusal", "refusal": "b"}]
    assert rendered({"role": "assistant", "content": parts}, {"role": "assistant"}) == [
        {"role": "assistant", "content": "ab"},
        {"role": "assistant", "content": ""},
    ]


def test_arguments_of_a_tool_call_are_parsed() -> None:
    """JSON text becomes an object, which templates encode again; what is no JSON stays as it is."""
    for given, wanted in (('{"x": 1}', {"x": 1}), ("{x", "{x")):
        call = {"id": "1", "type": "function", "function": {"name": "f", "arguments": given}}
        (message,) = rendered({"role": "assistant", "tool_calls": [call]})
        assert message["tool_calls"][0]["function"] == {"name": "f", "arguments": wanted}
        assert call["function"]["arguments"] == given
    (answer,) = rendered({"role": "tool", "content": "2", "tool_call_id": "1", "name": "f"})
    assert answer == {"role": "tool", "content": "2", "tool_call_id": "1", "name": "f"}
