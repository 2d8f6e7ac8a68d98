"""Rows of packed dialogues: what a training step is fed with."""

from __future__ import annotations

import random
from collections.abc import Iterator

import numpy as np
import torch
from tokenizers import Tokenizer
from torch import Tensor

from tiny_model import tokenizer as text
from tiny_model.dialogues import stream

#: Row lengths; a dialogue goes into the shortest row that holds it.
LENGTHS = (128, 256, 512, 1024)
_CHUNK = 8_000

Row = list[tuple[list[int], list[bool]]]


def encode(tokenizer: Tokenizer, seed: int, count: int, copies: float = 0.0) -> list[tuple[list[int], list[bool]]]:
    """Return `count` dialogues as token ids, each with whether it is learned."""
    rendered = [text.pieces(dialogue.messages, dialogue.tools) for dialogue in stream(seed, count, copies)]
    flat = tokenizer.encode_batch([piece for dialogue in rendered for piece, _ in dialogue])
    encoded, place = [], 0
    for dialogue in rendered:
        ids: list[int] = []
        learned: list[bool] = []
        for _, wanted in dialogue:
            piece = flat[place].ids
            ids += piece
            learned += [wanted] * len(piece)
            place += 1
        encoded.append((ids, learned))
    return encoded


def rows(encoded: Row, length: int) -> list[Row]:
    """Put dialogues into rows of at most `length` tokens, the first that has room."""
    made: list[Row] = []
    room: list[int] = []
    first = 0
    for dialogue in encoded:
        need = len(dialogue[0])
        for place in range(first, len(made)):
            if room[place] >= need:
                made[place].append(dialogue)
                room[place] -= need
                break
        else:
            made.append([dialogue])
            room.append(length - need)
            first = max(first, len(made) - 40)
    return made


def fill(packed: list[Row], length: int, shorter: Row) -> Row:
    """Fill the room in `packed` rows with shorter dialogues; return those that were not needed."""
    rest = list(shorter)
    for row in packed:
        room = length - sum(len(ids) for ids, _ in row)
        while rest and len(rest[-1][0]) <= room:
            room -= len(rest[-1][0])
            row.append(rest.pop())
    return rest


def tensors(batch: list[Row], length: int) -> tuple[Tensor, Tensor, Tensor]:
    """Return tokens, segments and targets, each (rows, length); a target of -1 is not learned."""
    tokens = np.zeros((len(batch), length), np.int64)
    segments = np.full((len(batch), length), -1, np.int64)
    targets = np.full((len(batch), length), -1, np.int64)
    for number, row in enumerate(batch):
        start = 0
        for segment, (ids, learned) in enumerate(row):
            end = start + len(ids)
            tokens[number, start:end] = ids
            segments[number, start:end] = segment
            targets[number, start : end - 1] = np.where(learned[1:], ids[1:], -1)
            start = end
    return torch.from_numpy(tokens), torch.from_numpy(segments), torch.from_numpy(targets)


def batches(tokenizer: Tokenizer, seed: int, size: int, copies: float = 0.0) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
    """Yield batches of about `size` tokens without end, always of new dialogues."""
    rng = random.Random(seed)
    left: dict[int, list[Row]] = {length: [] for length in LENGTHS}
    while True:
        encoded = encode(tokenizer, rng.getrandbits(60), _CHUNK, copies)
        ready = []
        for shortest, length in reversed(list(zip((0, *LENGTHS), LENGTHS, strict=False))):
            fitting = [dialogue for dialogue in encoded if shortest < len(dialogue[0]) <= length]
            packed = left[length] + rows(fitting, length)
            if shortest:
                encoded = fill(packed, length, [dialogue for dialogue in encoded if len(dialogue[0]) <= shortest])
            rng.shuffle(packed)
            count = size // length
            while len(packed) >= count:
                ready.append((packed[:count], length))
                packed = packed[count:]
            left[length] = packed
        rng.shuffle(ready)
        for batch, length in ready:
            yield tensors(batch, length)
