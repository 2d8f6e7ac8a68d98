"""Models of random weights, written once into a folder that git ignores."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from benchmarks.random_gguf import ONE_B, TINY, Shape, write

CACHE = Path(__file__).resolve().parent.parent / ".benchmarks-cache"
END = 2  # their end token, which weights that mean nothing draw at any time: it is banned
LETTER_A = 3 + ord("a")  # the byte tokens follow three control tokens, in the order of the bytes
TEMPLATE = 19  # tokens that the chat template adds to a conversation of one question

# Three layers about as wide as those of a 1B model: what a token costs in the weights, and what in looking
# back on the history, stand to each other as they do there.
SHALLOW = Shape(3, 1536, 12, 4, 8448, 4096, 4096, "Q8_0")
SMALL = Shape(30, 576, 9, 3, 1536, 49152, 8192, "Q8_0")
MICRO = Shape(layers=1, width=32, heads=1, kv_heads=1, feed=32, vocabulary=512, context=9216)


def one_b(quant: str = "Q4_0") -> Path:
    """1.1 billion weights in Q4_0 (620 MB), Q8_0 (1.2 GB) or Q4_K_M (670 MB)."""
    return _cached(f"1b-{quant.lower()}", replace(ONE_B, quant=quant))


def small() -> Path:
    """163 million weights in Q8_0: 30 layers, 49,152 tokens of vocabulary, the shape of SmolLM 135M."""
    return _cached("135m-q8_0", SMALL)


def tiny(vocabulary: int = 2048) -> Path:
    """Two layers 64 wide, 1.4 to 69 MB: next to nothing but what is around a model, and its vocabulary."""
    return _cached(f"tiny-{vocabulary}", replace(TINY, vocabulary=vocabulary, context=9216))


def micro() -> Path:
    """One layer 32 wide: sixteen long answers at once in seconds."""
    return _cached("micro", MICRO)


def shallow(quant: str = "Q8_0") -> Path:
    """150 million weights in Q8_0, Q4_0 or Q4_K_M."""
    return _cached(f"150m-{quant.lower()}", replace(SHALLOW, quant=quant))


def _cached(name: str, shape: Shape) -> Path:
    path = CACHE / f"random-{name}.gguf"
    if not path.exists():
        CACHE.mkdir(exist_ok=True)
        write(path.with_suffix(".part"), replace(shape, endless=True)).rename(path)
    return path


def words(tokens: int, seed: int = 0) -> str:
    """A question that makes a prompt of so many tokens, other for every seed from its beginning.

    A letter is a token here; no t, for "th" is one.
    """
    wanted = tokens - TEMPLATE
    if wanted < 1:
        raise ValueError(f"a prompt has at least {TEMPLATE + 1} tokens; {tokens} were asked for")
    state = seed * 2654435761 + 12345
    letters = []
    for _ in range(wanted):
        state = (state * 1103515245 + 12345) & 0x7FFFFFFF
        letters.append("abcdefgiklmnoprs"[state >> 16 & 15])
    return "".join(letters)
