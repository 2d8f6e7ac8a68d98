"""Models of random weights: the shape of a real one, so its speed, without its meaning. Also used by the tests.

Byte-level BPE with 256 byte tokens, one merge and filler words; ChatML template; end token `<|im_end|>`.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gguf
import numpy as np

CHATML = (
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
CONTROL = 3


@dataclass(frozen=True)
class Shape:
    """Sizes of a llama-architecture network; `quant` is F32, Q8_0 or Q4_0 for the matrices."""

    layers: int = 2
    width: int = 64
    heads: int = 4
    kv_heads: int = 2
    feed: int = 128
    vocabulary: int = 512
    context: int = 512
    quant: str = "F32"


TINY = Shape()
ONE_B = Shape(22, 2048, 32, 4, 5632, 32000, 8192, "Q4_0")


def write(path: Path, shape: Shape = TINY, seed: int = 0, template: str = CHATML, **overrides: Any) -> Path:
    """Write a GGUF of `shape` to `path`. `overrides` replace metadata, as `block_count=0`."""
    random = np.random.default_rng(seed)
    writer = gguf.GGUFWriter(str(path), "llama")
    writer.add_name(path.stem)
    writer.add_context_length(overrides.pop("context_length", shape.context))
    writer.add_embedding_length(shape.width)
    writer.add_block_count(overrides.pop("block_count", shape.layers))
    writer.add_feed_forward_length(shape.feed)
    writer.add_head_count(shape.heads)
    writer.add_head_count_kv(shape.kv_heads)
    writer.add_layer_norm_rms_eps(overrides.pop("rms_eps", 1e-5))
    writer.add_rope_dimension_count(shape.width // shape.heads)
    writer.add_file_type({"F32": 0, "Q4_0": 2, "Q8_0": 7}[shape.quant])
    assert not overrides, overrides
    tokens = ["<|endoftext|>", "<|im_start|>", "<|im_end|>", *_byte_names(), "th"]
    tokens += [f"word{i}" for i in range(shape.vocabulary - len(tokens))]
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("gpt-2")
    writer.add_token_list(tokens)
    writer.add_token_types([3] * CONTROL + [1] * (len(tokens) - CONTROL))
    writer.add_token_merges(["t h"])
    writer.add_eos_token_id(2)
    writer.add_add_bos_token(False)
    writer.add_chat_template(template)
    head = shape.width // shape.heads

    def matrix(name: str, rows: int, columns: int) -> None:
        _add(writer, name, rows, columns, shape.quant, random)

    def norm(name: str) -> None:
        writer.add_tensor(name, np.ones(shape.width, dtype=np.float32))

    matrix("token_embd.weight", shape.vocabulary, shape.width)
    for i in range(shape.layers):
        norm(f"blk.{i}.attn_norm.weight")
        matrix(f"blk.{i}.attn_q.weight", shape.width, shape.width)
        matrix(f"blk.{i}.attn_k.weight", shape.kv_heads * head, shape.width)
        matrix(f"blk.{i}.attn_v.weight", shape.kv_heads * head, shape.width)
        matrix(f"blk.{i}.attn_output.weight", shape.width, shape.width)
        norm(f"blk.{i}.ffn_norm.weight")
        matrix(f"blk.{i}.ffn_gate.weight", shape.feed, shape.width)
        matrix(f"blk.{i}.ffn_up.weight", shape.feed, shape.width)
        matrix(f"blk.{i}.ffn_down.weight", shape.width, shape.feed)
    norm("output_norm.weight")
    matrix("output.weight", shape.vocabulary, shape.width)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def _add(writer: gguf.GGUFWriter, name: str, rows: int, columns: int, quant: str, random: Any) -> None:
    scale = 1.0 / np.sqrt(columns)
    if quant == "F32":
        writer.add_tensor(name, random.standard_normal((rows, columns), dtype=np.float32) * np.float32(scale))
        return
    width, kind = {
        "Q4_0": (18, gguf.GGMLQuantizationType.Q4_0),
        "Q8_0": (34, gguf.GGMLQuantizationType.Q8_0),
    }[quant]
    blocks = random.integers(0, 256, (rows, columns // 32, width), dtype=np.uint8)
    step = np.float16(scale / (4.6 if quant == "Q4_0" else 74))  # random nibbles, bytes: their standard deviation
    blocks[:, :, :2] = np.frombuffer(step.tobytes(), np.uint8)
    writer.add_tensor(name, blocks.reshape(rows, -1), raw_dtype=kind)


def _byte_names() -> list[str]:
    """GPT-2's printable name of each byte, in the order of the bytes."""
    plain = [*range(33, 127), *range(161, 173), *range(174, 256)]
    names, extra = [], 0
    for byte in range(256):
        if byte in plain:
            names.append(chr(byte))
        else:
            names.append(chr(256 + extra))
            extra += 1
    return names
