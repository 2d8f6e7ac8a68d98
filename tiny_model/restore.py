"""The way back from a GGUF: its network and its tokenizer, to train them further."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gguf
import numpy as np
import torch
from tokenizers import Tokenizer, models

from tiny_model import export
from tiny_model import tokenizer as text
from tiny_model.network import Network, Shape


def deinterleave(weight: np.ndarray, heads: int) -> np.ndarray:
    """Undo `export.interleave`."""
    rows, columns = weight.shape
    return weight.reshape(heads, rows // heads // 2, 2, columns).swapaxes(1, 2).reshape(rows, columns)


def read(path: Path) -> tuple[Network, Tokenizer]:
    """Return the network, as exact as Q8_0 keeps it, and the tokenizer of the GGUF at `path`."""
    reader = gguf.GGUFReader(path)

    def value(name: str) -> Any:
        return reader.fields[name].contents()

    shape = Shape(
        vocabulary=value("llama.vocab_size"),
        context=value("llama.context_length"),
        layers=value("llama.block_count"),
        width=value("llama.embedding_length"),
        heads=value("llama.attention.head_count"),
        inner=value("llama.feed_forward_length"),
    )
    network = Network(shape)
    kept = {tensor.name: gguf.quants.dequantize(tensor.data, tensor.tensor_type) for tensor in reader.tensors}
    with torch.no_grad():
        for name, weight in export.named(network):
            array = kept[name]
            if name.endswith(("attn_q.weight", "attn_k.weight")):
                array = deinterleave(array, shape.heads)
            weight.copy_(torch.from_numpy(array.copy()))
    tokens = {token: number for number, token in enumerate(value("tokenizer.ggml.tokens"))}
    merges = [tuple(merge.split(" ")) for merge in value("tokenizer.ggml.merges")]
    tokenizer = text.empty(models.BPE(vocab=tokens, merges=merges))
    tokenizer.add_special_tokens(text.SPECIAL)
    return network, tokenizer
