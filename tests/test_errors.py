"""The errors as OpenAI's API would send them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import modelhub.errors as errors
from modelhub.errors import HubError
from modelhub.kernels.hub import Hub
from tests.protocol.openai_schema import validate_error

KINDS = [k for k in vars(errors).values() if isinstance(k, type) and issubclass(k, HubError)]


@pytest.mark.parametrize("kind", KINDS)
def test_every_error_has_openais_shape(kind: type[HubError]) -> None:
    """Each of our errors is a valid error object with its message; details that OpenAI does not know stay out."""
    said = kind("no\nmore", param="n", path="/tmp/x").to_dict()
    validate_error(said)
    assert (said["error"]["message"], said["error"]["param"]) == ("no more", "n")
    assert kind("no", param="").to_dict()["error"]["param"] is None


def refused(hub: Hub, model: Path | str, prompt: str = "hi", **options: Any) -> tuple[str, str | None, str | None]:
    with pytest.raises(HubError) as caught:
        hub.chat(prompt, model=str(model), **options).text()
    said = caught.value.to_dict()
    validate_error(said)
    return said["error"]["type"], said["error"]["param"], said["error"]["code"]


def test_what_is_wrong_is_said_in_openais_words(hub: Hub, random_gguf: Path, tmp_path: Path) -> None:
    """Type, field and code of what goes wrong most are those that clients of OpenAI's API look for."""
    wrong = "invalid_request_error"
    assert refused(hub, random_gguf, temperature=3) == (wrong, "temperature", None)
    assert refused(hub, random_gguf, temprature=1) == (wrong, "temprature", "unsupported_parameter")
    assert refused(hub, random_gguf, audio={"voice": "a"}) == (wrong, "audio", "unsupported_parameter")
    assert refused(hub, random_gguf, service_tier="flex") == (wrong, "service_tier", "unsupported_value")
    assert refused(hub, random_gguf, "x" * 600) == (wrong, "messages", "context_length_exceeded")
    assert refused(hub, "nobody") == ("not_found_error", "model", "model_not_found")
    bad = tmp_path / "bad.gguf"
    bad.write_bytes(b"GGUF" + bytes(8))
    assert refused(hub, bad) == ("server_error", None, "model_not_loaded")


def test_a_message_is_a_line_that_a_terminal_only_shows() -> None:
    """Controls, marks of direction and half characters in a name are written out; what they are is kept in view."""
    said = str(HubError("no \x1b[31mred\u202e\x07\ud800 naïve 👩‍💻"))
    assert said == r"no \x1b[31mred\u202e\x07\ud800 naïve 👩‍💻"
