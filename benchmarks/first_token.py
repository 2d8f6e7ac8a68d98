"""What the kernel adds to the worker's time to the first text, through `%%chat` with the packaged model."""

from __future__ import annotations

from benchmarks.figure import Options, Row, Samples
from benchmarks.lone_worker import LoneWorker
from benchmarks.timed_kernel import TimedKernel
from modelhub.kernels.catalog.catalog import PACKAGED

MODEL = "tiny-chat"
LIMIT_MS = 30
TOKENS = 8
COUNTRIES = ("France", "Italy", "Spain", "Kenya", "Peru", "Japan", "Cuba", "Egypt", "Norway", "Chile",
             "India", "Poland", "Greece", "Ghana", "Nepal")  # fmt: skip


def measure(options: Options) -> list[Row]:
    """A new question each time, the same for both, asked in turn."""
    repeats = options.times(len(COUNTRIES))
    through: list[float] = []
    alone: list[float] = []
    with TimedKernel(options) as kernel, LoneWorker(PACKAGED / f"{MODEL}.gguf") as worker:
        for turn in range(repeats + 2):
            prompt = f"What is the capital of {COUNTRIES[turn % len(COUNTRIES)]}?"
            if turn >= len(COUNTRIES):
                prompt += f" Answer {turn}."
            cell = f"%%chat -m {MODEL} --new -t 0 --seed 1 --max-tokens {TOKENS}\n{prompt}"
            through.append(1e3 * kernel.timed(cell).first_text)
            alone.append(1e3 * worker.ask(prompt, temperature=0, seed=1, max_tokens=TOKENS).first_text)
    del through[:2], alone[:2]  # the first ones load the model and import
    added = Samples([a - b for a, b in zip(through, alone, strict=True)])
    return [
        Row("first text of `tiny-chat`, beyond the worker's own", f"≤ {LIMIT_MS} ms", added.show(1, "ms"),
            added.median <= LIMIT_MS, "`%%chat` in a kernel, cell sent to first text received, widget view"),
        Row("first text through `%%chat`", "", Samples(through).show(1, "ms"), None, "as above"),
        Row("first text from the worker alone", "", Samples(alone).show(1, "ms"), None,
            "peer: the same request over the worker's socket"),
    ]  # fmt: skip
