"""The table of tensors in a GGUF: what each is, where it lies, and whether all of that can be true.

The rules are those of ggml (ggml/src/gguf.cpp, gguf_init_from_file). What breaks them never reaches a worker.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

MOST_DIMENSIONS = 4  # ggml.h, GGML_MAX_DIMS
LONGEST_NAME = 63  # bytes; ggml.h, GGML_MAX_NAME less the NUL
MOST_VALUES = (1 << 63) - 1  # of one tensor, and of one extent: ggml counts in 64-bit numbers with a sign
MOST_TENSORS = 1 << 17  # of one file; the largest mixtures of experts have some fifty thousand

# Tensor types: (name, values a block, bytes a block) (ggml.h, enum ggml_type; ggml-common.h, block structs).
TENSOR_TYPES = {
    0: ("F32", 1, 4), 1: ("F16", 1, 2), 2: ("Q4_0", 32, 18), 3: ("Q4_1", 32, 20), 6: ("Q5_0", 32, 22),
    7: ("Q5_1", 32, 24), 8: ("Q8_0", 32, 34), 9: ("Q8_1", 32, 36), 10: ("Q2_K", 256, 84), 11: ("Q3_K", 256, 110),
    12: ("Q4_K", 256, 144), 13: ("Q5_K", 256, 176), 14: ("Q6_K", 256, 210), 15: ("Q8_K", 256, 292),
    16: ("IQ2_XXS", 256, 66), 17: ("IQ2_XS", 256, 74), 18: ("IQ3_XXS", 256, 98), 19: ("IQ1_S", 256, 50),
    20: ("IQ4_NL", 32, 18), 21: ("IQ3_S", 256, 110), 22: ("IQ2_S", 256, 82), 23: ("IQ4_XS", 256, 136),
    24: ("I8", 1, 1), 25: ("I16", 1, 2), 26: ("I32", 1, 4), 27: ("I64", 1, 8), 28: ("F64", 1, 8),
    29: ("IQ1_M", 256, 56), 30: ("BF16", 1, 2), 34: ("TQ1_0", 256, 54), 35: ("TQ2_0", 256, 66),
    39: ("MXFP4", 32, 17), 40: ("NVFP4", 64, 36), 41: ("Q1_0", 128, 18),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Tensor:
    """One tensor. shape: values along each dimension, the fastest first. type: as `Q4_K`; `type N` is not known here.

    offset: bytes from the beginning of the file. size: bytes; 0 for a type that is not known.
    """

    name: str
    shape: tuple[int, ...]
    type: str
    offset: int
    size: int
    values: int


def tensor(name: str, shape: Sequence[int], kind: int, offset: int) -> Tensor:
    """The tensor that a row of the table describes. Raises ValueError, in words, for one that cannot be."""
    shown = repr(name[:60])
    if len(name.encode("utf-8", "replace")) > LONGEST_NAME:
        raise ValueError(f"the name of tensor {shown} is longer than {LONGEST_NAME} bytes")
    values = 1
    for extent in shape:
        values *= extent
        if max(extent, values) > MOST_VALUES:
            raise ValueError(f"tensor {shown} has more values than can be counted, {' × '.join(map(str, shape))}")
    label, block, width = TENSOR_TYPES.get(kind, (f"type {kind}", 1, 0))
    if shape and shape[0] % block:
        raise ValueError(f"tensor {shown} has rows of {shape[0]} values, and {label} needs a multiple of {block}")
    return Tensor(name, tuple(shape), label, offset, values // block * width, values)


def misplaced(tensors: Sequence[Tensor], start: int, alignment: int) -> str | None:
    """What is wrong with where tensors lie, in words; None where nothing is.

    start: where the data begins. Tensors must lie behind it, at multiples of `alignment`, and not in one another.
    """
    before: Tensor | None = None
    for one in sorted(tensors, key=lambda t: (t.offset, t.size)):
        if (one.offset - start) % alignment:
            return f"tensor {one.name[:60]!r} lies at {one.offset - start:,}, which is no multiple of {alignment}"
        if before is not None and one.offset < before.offset + before.size:
            return f"tensors {before.name[:60]!r} and {one.name[:60]!r} lie in one another"
        before = one
    return None


def twice(tensors: Sequence[Tensor]) -> str | None:
    """A name that two tensors have."""
    counted = Counter(t.name for t in tensors)
    return next((name for name, count in counted.items() if count > 1), None)


def main_type(tensors: Sequence[Tensor]) -> str:
    """The type that most values are kept in."""
    counted: Counter[str] = Counter()
    for one in tensors:
        counted[one.type] += one.values
    return counted.most_common(1)[0][0] if counted else ""
