"""The batch of one decode step: which tokens, of which sequence, at which position, and whose logits are wanted."""

from __future__ import annotations

import ctypes
from dataclasses import dataclass
from typing import Any

import numpy as np
from llama_cpp import llama_cpp as lc

from modelhub.kernels.worker.sequence import Choice


@dataclass(slots=True)
class Part:
    """The tokens of one choice in a batch. `begin` is the row of the first; `drawn` whether the last is drawn from."""

    choice: Choice
    tokens: list[int]
    begin: int
    drawn: bool

    @property
    def last(self) -> int:
        """The row of the last token."""
        return self.begin + len(self.tokens) - 1


class StepBatch:
    """A llama_batch that is filled anew each step, in llama.cpp's own arrays."""

    def __init__(self, capacity: int) -> None:
        """Room for `capacity` tokens, each belonging to one sequence."""
        self.native = lc.llama_batch_init(capacity, 0, 1)
        self._token = _view(self.native.token, capacity, np.int32)
        self._position = _view(self.native.pos, capacity, np.int32)
        self._wanted = _view(self.native.logits, capacity, np.int8)
        for i in range(capacity):
            self.native.n_seq_id[i] = 1
        # The sequence ids stand behind one pointer each; they are written through a view of each pointer's target.
        self._sequence = [self.native.seq_id[i] for i in range(capacity)]
        self.size = 0
        self.parts: list[Part] = []

    def clear(self) -> None:
        """Begin a new step."""
        self.size = 0
        self.parts.clear()

    def add(self, choice: Choice, tokens: list[int], position: int, last: bool, every: bool = False) -> None:
        """Add `tokens` of `choice` from `position` on.

        With `last`, the last token's logits are wanted, to draw from; with `every`, those of all.
        """
        assert choice.slot is not None
        slot, begin, count = choice.slot.id, self.size, len(tokens)
        self.size = end = begin + count
        self.parts.append(Part(choice, tokens, begin, last))
        native = self.native
        native.n_tokens = end
        if count == 1:  # a running stream: plain numbers, quicker than numpy's slices
            native.token[begin], native.pos[begin], native.logits[begin] = tokens[0], position, last or every
            self._sequence[begin][0] = slot
            return
        self._token[begin:end] = tokens
        self._position[begin:end] = np.arange(position, position + count, dtype=np.int32)
        self._wanted[begin:end] = every
        self._wanted[end - 1] = last or every
        for i in range(begin, end):
            self._sequence[i][0] = slot


def _view(pointer: Any, size: int, dtype: Any) -> Any:
    """A numpy view of `size` numbers behind a ctypes pointer."""
    address = ctypes.cast(pointer, ctypes.c_void_p).value
    raw = (ctypes.c_char * (size * np.dtype(dtype).itemsize)).from_address(address or 0)
    return np.frombuffer(raw, dtype=dtype)
