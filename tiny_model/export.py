"""The GGUF file: matrices in Q8_0, norms in 32-bit floats, the tokenizer and the chat template."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import gguf
import numpy as np
from gguf import GGMLQuantizationType as Kind
from tokenizers import Tokenizer
from torch import nn

from tiny_model import tokenizer as text
from tiny_model.network import Network, Shape

DESCRIPTION = "A very small chat model for notebooks, tests and teaching, trained on generated dialogues only."


def interleave(weight: np.ndarray, heads: int) -> np.ndarray:
    """Reorder the rows of a query or key matrix from half-split to llama.cpp's interleaved rotary form."""
    rows, columns = weight.shape
    return weight.reshape(heads, 2, rows // heads // 2, columns).swapaxes(1, 2).reshape(rows, columns)


_NAMES = {
    "attention_norm": "attn_norm",
    "query": "attn_q",
    "key": "attn_k",
    "value": "attn_v",
    "output": "attn_output",
    "feed_norm": "ffn_norm",
    "gate": "ffn_gate",
    "up": "ffn_up",
    "down": "ffn_down",
}


def named(network: Network) -> Iterator[tuple[str, nn.Parameter]]:
    """Yield the weights with llama.cpp's names for them."""
    yield "token_embd.weight", network.embedding.weight
    yield "output_norm.weight", network.norm.weight
    for number, block in enumerate(network.blocks):
        for name, other in _NAMES.items():
            yield f"blk.{number}.{other}.weight", getattr(block, name).weight


def tensors(network: Network) -> Iterator[tuple[str, np.ndarray]]:
    """Yield the weights as llama.cpp wants them."""
    for name, parameter in named(network):
        weight = parameter.detach().float().numpy()
        if name.endswith(("attn_q.weight", "attn_k.weight")):
            weight = interleave(weight, network.shape.heads)
        yield name, weight


def write(network: Network, tokenizer: Tokenizer, path: Path) -> None:
    """Write the model to `path`, whole or not at all."""
    fresh = path.with_name(path.name + ".part")
    writer = gguf.GGUFWriter(fresh, "llama")
    _general(writer, network)
    _sizes(writer, network.shape)
    _vocabulary(writer, tokenizer)
    for name, weight in tensors(network):
        if weight.ndim == 1:
            writer.add_tensor(name, weight)
        else:
            writer.add_tensor(name, gguf.quants.quantize(weight, Kind.Q8_0), raw_dtype=Kind.Q8_0)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    fresh.replace(path)


def _general(writer: gguf.GGUFWriter, network: Network) -> None:
    count = sum(parameter.numel() for parameter in network.parameters())
    writer.add_type("model")
    writer.add_name("tiny-chat")
    writer.add_basename("tiny-chat")
    writer.add_size_label(f"{count / 1e6:.1f}M")
    writer.add_license("apache-2.0")
    writer.add_description(DESCRIPTION)
    writer.add_tags(["chat", "tiny", "test"])
    writer.add_languages(["en"])
    writer.add_file_type(gguf.LlamaFileType.MOSTLY_Q8_0)
    writer.add_quantization_version(gguf.GGML_QUANT_VERSION)


def _sizes(writer: gguf.GGUFWriter, shape: Shape) -> None:
    writer.add_vocab_size(shape.vocabulary)
    writer.add_context_length(shape.context)
    writer.add_embedding_length(shape.width)
    writer.add_block_count(shape.layers)
    writer.add_feed_forward_length(shape.inner)
    writer.add_head_count(shape.heads)
    writer.add_head_count_kv(shape.heads)
    writer.add_rope_dimension_count(shape.head_width)
    writer.add_rope_freq_base(shape.rope_base)
    writer.add_layer_norm_rms_eps(shape.norm_epsilon)


def _vocabulary(writer: gguf.GGUFWriter, tokenizer: Tokenizer) -> None:
    model = json.loads(tokenizer.to_str())["model"]
    tokens = sorted(model["vocab"], key=model["vocab"].__getitem__)
    kinds = [gguf.TokenType.CONTROL if token in text.SPECIAL else gguf.TokenType.NORMAL for token in tokens]
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("qwen2")
    writer.add_token_list(tokens)
    writer.add_token_types(kinds)
    writer.add_token_merges([" ".join(merge) for merge in model["merges"]])
    writer.add_bos_token_id(tokens.index(text.END_OF_TEXT))
    writer.add_eos_token_id(tokens.index(text.END))
    writer.add_eot_token_id(tokens.index(text.END))
    writer.add_pad_token_id(tokens.index(text.END_OF_TEXT))
    writer.add_add_bos_token(False)
    writer.add_chat_template(text.TEMPLATE)
