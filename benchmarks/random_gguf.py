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
    """Sizes of a llama-architecture network; `quant` is F32, Q8_0, Q4_0 or Q4_K_M for the matrices.

    endless: control and byte tokens get the logit 0, so that greedy drawing never ends an answer and never leaves a
        character unfinished, at which some readers stop streaming; no bias is needed.
    """

    layers: int = 2
    width: int = 64
    heads: int = 4
    kv_heads: int = 2
    feed: int = 128
    vocabulary: int = 512
    context: int = 512
    quant: str = "F32"
    endless: bool = False


TINY = Shape()
ONE_B = Shape(22, 2048, 32, 4, 5632, 32000, 8192, "Q4_0")

FILE_TYPES = {"F32": 0, "Q4_0": 2, "Q8_0": 7, "Q4_K_M": 15}  # llama_ftype, llama.h


@dataclass(frozen=True)
class Block:
    """How a quantised format keeps a run of weights, and what makes random bytes in it weights of deviation 1.

    weights, size: weights and bytes of a block. steps: where its 16-bit factors lie, and what is to be put there.
    Sizes and places: ggml-common.h. The factors: one over the deviation of what random bytes mean without them.
    """

    weights: int
    size: int
    steps: dict[int, float]


BLOCKS = {
    "Q4_0": Block(32, 18, {0: 1 / 4.6}),
    "Q8_0": Block(32, 34, {0: 1 / 74}),
    # value = step * scale * nibble - minimum step * minimum: with 7.5 times the step their means cancel
    "Q4_K": Block(256, 144, {0: 1 / 258, 2: 7.5 / 258}),
    "Q6_K": Block(256, 210, {208: 1 / 1367}),
}


def write(
    path: Path, shape: Shape = TINY, seed: int = 0, template: str = CHATML, shard: int = 0, **overrides: Any
) -> Path:
    """Write a GGUF of `shape` to `path`, and give the path of what is to be loaded.

    shard: tensors a file, where it is to be split: NAME-00001-of-0000N.gguf and so on. `overrides` replace metadata,
    as `block_count=0`.
    """
    random = np.random.default_rng(seed)
    writer = gguf.GGUFWriter(str(path), "llama", split_max_tensors=shard)
    writer.add_name(path.stem)
    writer.add_context_length(overrides.pop("context_length", shape.context))
    writer.add_embedding_length(shape.width)
    writer.add_block_count(overrides.pop("block_count", shape.layers))
    writer.add_feed_forward_length(shape.feed)
    writer.add_head_count(shape.heads)
    writer.add_head_count_kv(shape.kv_heads)
    writer.add_layer_norm_rms_eps(overrides.pop("rms_eps", 1e-5))
    writer.add_rope_dimension_count(shape.width // shape.heads)
    writer.add_file_type(FILE_TYPES[shape.quant])
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

    def matrix(name: str, rows: int, columns: int, more: bool = False) -> None:
        """`more`: one of those that a mixture of formats keeps in more bits."""
        quant = shape.quant if shape.quant != "Q4_K_M" else "Q6_K" if more else "Q4_K"
        _add(writer, name, rows, columns, quant, random, name == "output.weight" and shape.endless)

    def norm(name: str) -> None:
        writer.add_tensor(name, np.ones(shape.width, dtype=np.float32))

    matrix("token_embd.weight", shape.vocabulary, shape.width)
    for i in range(shape.layers):
        more = _more_bits(i, shape.layers)
        norm(f"blk.{i}.attn_norm.weight")
        matrix(f"blk.{i}.attn_q.weight", shape.width, shape.width)
        matrix(f"blk.{i}.attn_k.weight", shape.kv_heads * head, shape.width)
        matrix(f"blk.{i}.attn_v.weight", shape.kv_heads * head, shape.width, more)
        matrix(f"blk.{i}.attn_output.weight", shape.width, shape.width)
        norm(f"blk.{i}.ffn_norm.weight")
        matrix(f"blk.{i}.ffn_gate.weight", shape.feed, shape.width)
        matrix(f"blk.{i}.ffn_up.weight", shape.feed, shape.width)
        matrix(f"blk.{i}.ffn_down.weight", shape.width, shape.feed, more)
    norm("output_norm.weight")
    matrix("output.weight", shape.vocabulary, shape.width, more=True)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return sorted(path.parent.glob(f"{path.stem}-00001-of-*.gguf"))[0] if shard else path


def _add(writer: gguf.GGUFWriter, name: str, rows: int, columns: int, quant: str, random: Any, endless: bool) -> None:
    scale = 1.0 / np.sqrt(columns)
    if quant == "F32":
        weights = random.standard_normal((rows, columns), dtype=np.float32) * np.float32(scale)
        if endless:
            weights[: CONTROL + 256] = 0
        writer.add_tensor(name, weights)
        return
    block = BLOCKS[quant]
    blocks = random.integers(0, 256, (rows, columns // block.weights, block.size), dtype=np.uint8)
    for at, step in block.steps.items():
        blocks[:, :, at : at + 2] = np.frombuffer(np.float16(scale * step).tobytes(), np.uint8)
        if endless:
            blocks[: CONTROL + 256, :, at : at + 2] = 0
    writer.add_tensor(name, blocks.reshape(rows, -1), raw_dtype=gguf.GGMLQuantizationType[quant])


def _more_bits(layer: int, layers: int) -> bool:
    """Whether Q4_K_M keeps this layer's values and down projection in Q6_K (llama-quant.cpp, use_more_bits)."""
    return layer < layers // 8 or layer >= 7 * layers // 8 or (layer - layers // 8) % 3 == 2


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
