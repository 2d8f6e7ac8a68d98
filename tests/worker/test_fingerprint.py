"""The fingerprint under which equal seeds promise equal answers."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import modelhub.kernels
from modelhub.kernels.hub import Hub
from tests.worker.asking import ENDLESS

MODEL = Path(modelhub.kernels.__file__).parent / "models" / "tiny-chat.gguf"  # larger than what is read of a file


@pytest.fixture
def own_hub(home: Path) -> Iterator[Hub]:
    """A hub whose models may be loaded and unloaded."""
    hub = Hub()
    yield hub
    hub.close()


def test_a_fingerprint_names_file_and_load_parameters(own_hub: Hub, tmp_path: Path) -> None:
    """Loaded again it is the same, and so is the answer; with other load parameters or other weights it differs."""

    def ask(path: Path) -> tuple[str, str]:
        response = own_hub.chat("hi", model=str(path), seed=3, max_tokens=8, logit_bias=ENDLESS)
        whole = response.json()
        assert re.fullmatch("fp_[0-9a-f]{10}", whole["system_fingerprint"])
        assert response.debug["model"]["fingerprint"] == response.system_fingerprint == whole["system_fingerprint"]
        assert {c["system_fingerprint"] for c in response.chunks()} == {response.system_fingerprint}
        return response.system_fingerprint, response.text()

    first = ask(MODEL)
    own_hub.unload(str(MODEL))
    assert ask(MODEL) == first
    own_hub.load(str(MODEL), context=256, reload=True)
    smaller = ask(MODEL)
    other = tmp_path / "other.gguf"
    data = bytearray(MODEL.read_bytes())
    data[-1] ^= 1  # the last of its weights
    other.write_bytes(data)
    copied = tmp_path / "copied.gguf"
    copied.write_bytes(MODEL.read_bytes())
    assert ask(copied) == first
    assert len({first[0], smaller[0], ask(other)[0]}) == 3
