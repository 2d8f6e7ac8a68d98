"""The network: a small decoder of the Llama family, in PyTorch.

Only the training needs this file. The exported GGUF is run by llama.cpp, so whatever is done here must be
what llama.cpp's `llama` architecture does: RMS norm before each block, rotary positions, SwiGLU, no biases,
and one matrix for both the input embedding and the output.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn


@dataclass(frozen=True)
class Shape:
    """The sizes of a network.

    Every row length (`width`, `inner`) must be a multiple of 32, the block of the Q8_0 format.
    """

    vocabulary: int = 2560
    context: int = 1024
    layers: int = 5
    width: int = 224
    heads: int = 7
    inner: int = 576
    rope_base: float = 10_000.0
    norm_epsilon: float = 1e-5

    @property
    def head_width(self) -> int:
        """Width of one attention head."""
        return self.width // self.heads


class Norm(nn.Module):
    """Root-mean-square norm with a learned gain."""

    def __init__(self, width: int, epsilon: float) -> None:
        """Start with a gain of one; `epsilon` is added to the mean square."""
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))
        self.epsilon = epsilon

    def forward(self, x: Tensor) -> Tensor:
        """Return `x` (..., width) scaled to a mean square of one, times the gain."""
        return F.rms_norm(x, (x.shape[-1],), self.weight, self.epsilon)


def rotary_table(shape: Shape) -> tuple[Tensor, Tensor]:
    """Return cosines and sines, each (context, head_width), for the half-split form of rotary positions."""
    half = shape.head_width // 2
    rates = shape.rope_base ** (-torch.arange(half).float() / half)
    angles = torch.outer(torch.arange(shape.context).float(), rates)
    return torch.cat([angles.cos(), angles.cos()], -1), torch.cat([-angles.sin(), angles.sin()], -1)


def rotate(x: Tensor, cosines: Tensor, sines: Tensor) -> Tensor:
    """Turn `x` (..., tokens, head_width) by the angles of its positions."""
    half = x.shape[-1] // 2
    swapped = torch.cat([x[..., half:], x[..., :half]], -1)
    return x * cosines + swapped * sines


class Block(nn.Module):
    """One layer: attention, then a gated feed-forward network."""

    def __init__(self, shape: Shape) -> None:
        """Make a layer of `shape`."""
        super().__init__()
        self.heads = shape.heads
        self.attention_norm = Norm(shape.width, shape.norm_epsilon)
        self.query = nn.Linear(shape.width, shape.width, bias=False)
        self.key = nn.Linear(shape.width, shape.width, bias=False)
        self.value = nn.Linear(shape.width, shape.width, bias=False)
        self.output = nn.Linear(shape.width, shape.width, bias=False)
        self.feed_norm = Norm(shape.width, shape.norm_epsilon)
        self.gate = nn.Linear(shape.width, shape.inner, bias=False)
        self.up = nn.Linear(shape.width, shape.inner, bias=False)
        self.down = nn.Linear(shape.inner, shape.width, bias=False)

    def forward(self, x: Tensor, cosines: Tensor, sines: Tensor, mask: Tensor) -> Tensor:
        """Return `x` (rows, tokens, width) after this layer; `mask` is true where a token may look."""
        rows, tokens, width = x.shape
        y = self.attention_norm(x)
        q, k, v = (
            layer(y).view(rows, tokens, self.heads, -1).transpose(1, 2) for layer in (self.query, self.key, self.value)
        )
        q, k = rotate(q, cosines, sines), rotate(k, cosines, sines)
        y = F.scaled_dot_product_attention(q, k, v, attn_mask=mask)
        x = x + self.output(y.transpose(1, 2).reshape(rows, tokens, width))
        y = self.feed_norm(x)
        return x + self.down(F.silu(self.gate(y)) * self.up(y))


class Network(nn.Module):
    """The whole decoder; `forward` gives the training loss."""

    def __init__(self, shape: Shape) -> None:
        """Make a network of `shape` with random weights."""
        super().__init__()
        self.shape = shape
        self.embedding = nn.Embedding(shape.vocabulary, shape.width)
        self.blocks = nn.ModuleList(Block(shape) for _ in range(shape.layers))
        self.norm = Norm(shape.width, shape.norm_epsilon)
        cosines, sines = rotary_table(shape)
        self.register_buffer("cosines", cosines, persistent=False)
        self.register_buffer("sines", sines, persistent=False)
        self._initialise()

    def _initialise(self) -> None:
        for name, parameter in self.named_parameters():
            if parameter.dim() < 2:
                continue
            deviation = 0.02 if "embedding" in name else parameter.shape[1] ** -0.5
            if name.endswith(("output.weight", "down.weight")):
                deviation /= (2 * self.shape.layers) ** 0.5
            nn.init.normal_(parameter, std=deviation)

    def matrices(self) -> list[nn.Parameter]:
        """The weights of the blocks that are matrices: what the Muon optimiser moves."""
        return [p for p in self.blocks.parameters() if p.dim() == 2]

    def others(self) -> list[nn.Parameter]:
        """Everything else: the embedding and the gains of the norms."""
        return [p for n, p in self.named_parameters() if p.dim() < 2 or n.startswith("embedding")]

    def hidden(self, tokens: Tensor, segments: Tensor) -> Tensor:
        """Run the blocks.

        `tokens` and `segments` are (rows, length). A token sees the earlier ones of its own segment only, so
        that dialogues packed in a row do not see each other.
        """
        length = tokens.shape[1]
        causal = torch.ones(length, length, dtype=torch.bool).tril()
        mask = (segments[:, :, None] == segments[:, None, :]) & causal
        x = self.embedding(tokens)
        for block in self.blocks:
            x = block(x, self.cosines[:length], self.sines[:length], mask[:, None])
        return self.norm(x)

    def forward(self, tokens: Tensor, segments: Tensor, targets: Tensor) -> Tensor:
        """Return the mean loss over the targets that are not -1 (the assistant's tokens)."""
        chosen = targets >= 0
        logits = F.linear(self.hidden(tokens, segments)[chosen], self.embedding.weight)
        return F.cross_entropy(logits.float(), targets[chosen])
