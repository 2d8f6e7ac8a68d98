"""Models of random weights, written once into a folder that git ignores."""

from __future__ import annotations

from pathlib import Path

from benchmarks.random_gguf import ONE_B, Shape, write

CACHE = Path(__file__).resolve().parent.parent / ".benchmarks-cache"
END = 2  # their end token, which weights that mean nothing draw at any time: it is banned
LETTER_A = 3 + ord("a")  # the byte tokens follow three control tokens, in the order of the bytes

# Three layers about as wide as those of a 1B model: what a token costs in the weights, and what in looking
# back on the history, stand to each other as they do there.
SHALLOW = Shape(3, 1536, 12, 4, 8448, 4096, 4096, "Q8_0")


def one_b() -> Path:
    """1.1 billion weights in Q4_0: 620 MB."""
    return _cached("random-1b-q4_0.gguf", ONE_B)


def shallow() -> Path:
    """150 million weights in Q8_0."""
    return _cached("random-150m-q8_0.gguf", SHALLOW)


def _cached(name: str, shape: Shape) -> Path:
    path = CACHE / name
    if not path.exists():
        CACHE.mkdir(exist_ok=True)
        write(path.with_suffix(".part"), shape).rename(path)
    return path
