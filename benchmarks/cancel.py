"""How soon the worker is idle after a cancel: while it decodes, reads a long prompt, or loads."""

from __future__ import annotations

import asyncio
import contextlib
import time
from pathlib import Path

from benchmarks.cached_models import one_b, words
from benchmarks.figure import Options, Row, Samples
from benchmarks.high_level import HighLevel
from benchmarks.lone_worker import LoneWorker, Question, start
from modelhub.errors import LoadCancelled
from modelhub.kernels import background
from modelhub.kernels.protocol.load_params import LoadParams

LIMIT_MS = 50
PROMPT = 1500
LOADING = (0.1, 0.2, 0.3, 0.45, 0.6)  # seconds after the start of a worker


def measure(options: Options) -> list[Row]:
    """From the cancel in the kernel to the worker's word that nothing runs."""
    repeats = options.times(7)
    with LoneWorker(one_b(), context=2048, slots=4) as worker:
        worker.ask(words(32), temperature=0, max_tokens=4)
        decode, prompt = [], []
        for turn in range(repeats):
            short = Question(words(32, turn), {"temperature": 0, "max_tokens": 400})
            decode.append(1e3 * worker.cancelled_after(short, 0.6 + 0.013 * turn))
            long = Question(words(PROMPT, turn), {"temperature": 0, "max_tokens": 4})
            prompt.append(1e3 * worker.cancelled_after(long, 0.4 + 0.07 * turn))
    load = [1e3 * background.wait(_cancelled_load(one_b(), LOADING[turn % len(LOADING)])) for turn in range(repeats)]
    with HighLevel(one_b(), n_ctx=2048) as peer:
        messages = [{"role": "user", "content": words(PROMPT)}]
        tried = [peer.interrupted_after(messages, 0.5) for _ in range(min(3, repeats))]
    heard = [1e3 * seconds for seconds in tried if seconds is not None]
    interrupted = Samples(heard).show(0, "ms") if heard else "none"
    how = "1B Q4_0, from the cancel to the worker's word that it is idle"
    return [
        _row("cancel to idle while it decodes", Samples(decode), how),
        _row(f"cancel to idle in a prompt of {PROMPT:,} tokens", Samples(prompt),
             f"{how}; peer, KeyboardInterrupt in `llama_cpp.Llama`: {interrupted}, {len(tried) - len(heard)} lost"),
        _row("cancel to idle while it loads", Samples(load),
             "1B Q4_0, from the cancel to the end of the process; peer: the interrupt is lost"),
    ]  # fmt: skip


def _row(figure: str, got: Samples, how: str) -> Row:
    worst = max(got.values)
    return Row(figure, f"≤ {LIMIT_MS} ms", got.show(1, "ms"), worst <= LIMIT_MS, f"{how}; the worst counts")


async def _cancelled_load(path: Path, seconds: float) -> float:
    loading = asyncio.create_task(start(path, LoadParams(context=512)))
    await asyncio.sleep(seconds)
    began = time.monotonic()
    if loading.done():  # it was quicker: what is cancelled then is a loaded worker
        await loading.result().stop()
    else:
        loading.cancel()
        with contextlib.suppress(LoadCancelled, asyncio.CancelledError):
            await loading
    return time.monotonic() - began
