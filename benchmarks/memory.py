"""What a loaded model takes of the memory, over its file and its context."""

from __future__ import annotations

from benchmarks.cached_models import one_b, words
from benchmarks.figure import Options, Row, Samples
from benchmarks.high_level import HighLevel
from benchmarks.hub_model import HubModel, resident
from benchmarks.random_gguf import ONE_B

LIMIT = 1.1
CONTEXT = 2048
TOKEN_BYTES = 2 * 2 * ONE_B.layers * ONE_B.kv_heads * ONE_B.width // ONE_B.heads  # keys and values, 16 bits each


def measure(options: Options) -> list[Row]:
    """After an answer, in a new worker each time."""
    path = one_b()
    size = path.stat().st_size
    ours: list[float] = []
    held: list[float] = []
    for turn in range(options.times(3)):
        with HubModel(path, context=CONTEXT) as model:
            model.ask(words(300, turn), 8)
            cells = model.cells
            held.append(model.resident / 1e6)
            ours.append((model.resident - cells * TOKEN_BYTES) / size)
    with HighLevel(path, n_ctx=CONTEXT) as high_level:
        high_level.times([{"role": "user", "content": words(300)}], 8)
        peer = resident(high_level.pid)
    got, context = Samples(ours), cells * TOKEN_BYTES / 1e6
    return [
        Row("resident memory less the context, over the file, 1B Q4_0", f"≤ {LIMIT}", got.show(2),
            got.median <= LIMIT,
            f"{Samples(held).show(0, 'MB')} after an answer, of which {context:.0f} MB for {cells:,} tokens of "
            f"context; the file has {size / 1e6:.0f} MB"),
        Row("the same, the high-level API", "", f"{(peer - CONTEXT * TOKEN_BYTES) / size:.2f}", None,
            f"peer: `llama_cpp.Llama`, its defaults: {peer / 1e6:.0f} MB, of which "
            f"{CONTEXT * TOKEN_BYTES / 1e6:.0f} MB for {CONTEXT:,} tokens"),
    ]  # fmt: skip
