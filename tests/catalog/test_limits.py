"""Headers that parse and cannot be true: what llama.cpp would end the process over is said in one line instead."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest

from modelhub.errors import ModelFileError
from modelhub.kernels.catalog.headers.gguf import read_header
from tests.engines.gguf_file import GgufFile

TOKENS = "tokenizer.ggml.tokens"


def refusal(path: Path) -> str:
    with pytest.raises(ModelFileError) as caught:
        read_header(path)
    text = str(caught.value)
    assert "\n" not in text and text.startswith("cannot use ") and text.endswith("; download or copy it again")
    return text


@pytest.mark.parametrize(
    ("key", "kind", "value", "says"),
    [
        ("block_count", "u32", 0, "block_count is 0; it must be from 1"),
        ("block_count", "u32", 10**6, "block_count is 1,000,000"),
        ("block_count", "i32", -1, "block_count is -1"),
        ("context_length", "u32", 0, "context_length is 0; it must be from 1"),
        ("context_length", "u32", 2**32 - 1, "context_length is 4,294,967,295"),
        ("context_length", "u64", 2**62, "context_length is 4,6"),
        ("attention.layer_norm_rms_epsilon", "f32", math.nan, "layer_norm_rms_epsilon is nan"),
        ("attention.layer_norm_rms_epsilon", "f32", -1.0, "it must be a number of at least 0"),
        ("attention.layer_norm_rms_epsilon", "f32", math.inf, "layer_norm_rms_epsilon is inf"),
        ("rope.freq_base", "f32", -1.0, "rope.freq_base is -1.0"),
        ("rope.freq_base", "f32", math.nan, "rope.freq_base is nan"),
        ("rope.scaling.factor", "f32", math.nan, "rope.scaling.factor is nan; it must be a number;"),
        ("rope.scaling.attn_factor", "f32", -math.inf, "rope.scaling.attn_factor is -inf"),
        ("expert_count", "u32", 4, "expert_used_count is 0 of 4 experts"),
        ("expert_used_count", "u32", 4, "expert_used_count is 4 of 0 experts"),
    ],
)
def test_impossible_numbers(tmp_path: Path, random_gguf: Path, key: str, kind: str, value: Any, says: str) -> None:
    """A number no model has is named with its value and with what may be."""
    path = GgufFile(random_gguf).set(f"llama.{key}", kind, value).write(tmp_path / "wrong.gguf")
    assert says in refusal(path)


@pytest.mark.parametrize(
    ("key", "kind", "value"),
    [
        ("block_count", "u32", 512),
        ("context_length", "u32", 2**31 - 1),
        ("attention.layer_norm_rms_epsilon", "f32", 0.0),
        ("rope.scaling.factor", "f32", 0.0),
        ("expert_used_count", "u32s", [1, 2]),
        ("context_length", "text", b"many"),
    ],
)
def test_odd_numbers_are_left_to_the_engine(tmp_path: Path, random_gguf: Path, key: str, kind: str, value: Any) -> None:
    """What a model may have, or llama.cpp refuses with a reason of its own, passes."""
    path = GgufFile(random_gguf).set(f"llama.{key}", kind, value).write(tmp_path / "odd.gguf")
    assert read_header(path).parameters == read_header(random_gguf).parameters


def test_no_two_tokens_are_the_same(tmp_path: Path, random_gguf: Path) -> None:
    """A text that two tokens have is named; a NUL ends a text, and any number of tokens may have none."""
    tokens = GgufFile(random_gguf).tokens()
    for number, text in ((0, tokens[300]), (511, tokens[0]), (300, tokens[299] + b"\0rest")):
        twice = [*tokens[:number], text, *tokens[number + 1 :]]
        said = refusal(GgufFile(random_gguf).set(TOKENS, "texts", twice).write(tmp_path / "twice.gguf"))
        assert "has the text of another one, b'" in said
    for texts in ([b""] * 512, [b"\0x"] * 512, [b"\xff%d" % i for i in range(512)], []):
        path = GgufFile(random_gguf).set(TOKENS, "texts", texts).write(tmp_path / "odd.gguf")
        found = read_header(path).get(TOKENS)
        assert found.length == len(texts)
    path = GgufFile(random_gguf).set(TOKENS, "u32s", [1] * 100).write(tmp_path / "numbers.gguf")
    assert read_header(path).get(TOKENS).length == 100


def test_texts_without_end_are_not_read(tmp_path: Path, random_gguf: Path) -> None:
    """A text of gigabytes in a file that has them is refused without reading it."""
    path = GgufFile(random_gguf).set("general.name", "text", b"name").write(tmp_path / "long.gguf")
    raw = bytearray(path.read_bytes())
    at = raw.index(b"general.name") + 12 + 4
    raw[at : at + 8] = (1 << 33).to_bytes(8, "little")
    path.write_bytes(raw)
    with path.open("r+b") as file:
        file.truncate(1 << 34)  # sparse: it takes no room
    assert "a text of 8,589,934,592 bytes" in refusal(path)
