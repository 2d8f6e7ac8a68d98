"""Files whose header is in order and whose content is not: the worker refuses them or dies over them, the hub lives."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest

from benchmarks.random_gguf import write
from modelhub.errors import ModelFileError
from modelhub.kernels.hub import Hub


def test_a_model_with_no_tensors(own_hub: Hub, tmp_path: Path) -> None:
    """A header by itself is refused by llama.cpp, and its reason is in the message."""
    text = b"general.architecture"
    raw = struct.pack("<Q", len(text)) + text + struct.pack("<IQ", 8, 5) + b"llama"
    path = tmp_path / "bare.gguf"
    path.write_bytes(b"GGUF" + struct.pack("<IQQ", 3, 0, 1) + raw + b"\0" * 64)
    with pytest.raises(ModelFileError, match=r"cannot load .*bare.gguf.*context_length") as caught:
        own_hub.load(str(path))
    assert caught.value.log
    assert own_hub.engine(str(path)).state == "failed"


def test_a_name_of_any_length(own_hub: Hub, tmp_path: Path) -> None:
    """What a file says of itself may be a quarter of a megabyte in one line; it is loaded and answers."""
    raw = write(tmp_path / "plain.gguf").read_bytes()
    version, tensors, pairs = struct.unpack_from("<IQQ", raw, 4)
    key = b"k" * 60_000
    extra = b"".join(
        struct.pack("<Q", len(key) + 1) + key + bytes([65 + i]) + struct.pack("<II", 4, i) for i in range(16)
    )
    extra += b"" if (len(extra) % 32 == 0) else _pad(32 - len(extra) % 32)
    path = tmp_path / "wordy.gguf"
    more = 16 + (1 if len(extra) % 32 == 0 and b"pad" in extra else 0)
    path.write_bytes(b"GGUF" + struct.pack("<IQQ", version, tensors, pairs + more) + extra + raw[24:])
    assert own_hub.chat("hi", model=str(path), max_tokens=3, logit_bias={2: -100, 0: -100}).text()
    assert own_hub.chat("hi", model=str(path), max_tokens=3, logit_bias={2: -100, 0: -100}).text()


def _pad(size: int) -> bytes:
    """A metadata pair of a size that keeps the tensors behind it aligned to 32 bytes."""
    while size < 8 + 3 + 4 + 8:
        size += 32
    value = b"x" * (size - 8 - 3 - 4 - 8)
    return struct.pack("<Q", 3) + b"pad" + struct.pack("<IQ", 8, len(value)) + value
