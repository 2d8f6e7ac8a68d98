"""GGUF headers changed at random, and an independent look at whether what was read of one can be true."""

from __future__ import annotations

import random
import struct

from modelhub.kernels.catalog.headers.gguf import Header

# What numbers in a header are likely to be mistaken for: lengths and counts at their edges.
EDGES = (
    0, 1, 31, 32, 33, 255, 2**16, 2**31 - 1, 2**31, 2**32 - 1, 2**32, 2**62, 2**63 - 1, 2**63, 2**64 - 32, 2**64 - 1,
)  # fmt: skip


def mutated(whole: bytes, source: random.Random) -> bytes:
    """A GGUF with one to eight changes: bytes, 32- and 64-bit numbers set to edges, pieces doubled, cut or swapped.

    Most of them are made in the first part of the file, where the header is.
    """
    raw = bytearray(whole)
    for _ in range(source.choice((1, 1, 2, 3, 8))):
        reach = min(len(raw), source.choice((64, 512, 8192, len(raw))))
        at = source.randrange(4, max(5, reach - 8))
        kind = source.randrange(8)
        if kind < 2:
            raw[at] = source.choice((0, 1, 0x7F, 0x80, 0xFF, source.randrange(256)))
        elif kind == 2:
            raw[at : at + 4] = struct.pack("<I", source.choice(EDGES) & 0xFFFFFFFF)
        elif kind == 3:
            raw[at : at + 8] = struct.pack("<Q", source.choice(EDGES))
        elif kind == 4:
            del raw[at : at + source.choice((1, 4, 8, 100))]
        elif kind == 5:
            raw[at:at] = raw[at : at + source.choice((1, 8, 64, 500))]
        elif kind == 6:
            end = source.randrange(4, max(5, reach - 8))
            raw[at : at + 8], raw[end : end + 8] = raw[end : end + 8], raw[at : at + 8]
        else:
            raw = raw[: source.randrange(8, len(raw))] if source.random() < 0.3 else raw + bytes(64)
    return bytes(raw)


def inconsistent(header: Header, size: int) -> str | None:
    """What in a header that was accepted cannot be, given the file's size; None when all of it can."""
    alignment = header.get("general.alignment", 32)
    names = [t.name for t in header.tensors]
    if len(set(names)) != len(names):
        return "two tensors of one name"
    ends = 0
    for one in sorted(header.tensors, key=lambda t: (t.offset, t.size)):
        values = 1
        for extent in one.shape:
            values *= extent
        if len(one.shape) > 4 or values != one.values or values >= 2**63 or max(one.shape, default=1) >= 2**63:
            return f"the shape of {one.name!r}"
        if one.offset < ends or one.offset + one.size > size or one.offset % min(alignment, 32):
            return f"the place of {one.name!r}"
        ends = one.offset + one.size
    return None
