"""What a cell that computes in pure Python costs an answer that runs meanwhile."""

from __future__ import annotations

import os

from benchmarks.cached_models import small, words
from benchmarks.figure import Options, Row, Samples
from benchmarks.high_level import HighLevel, rate
from benchmarks.timed_kernel import TimedKernel

GOAL = 0.95
TOKENS = 192

# The answer runs in the worker, the cell goes on in the kernel; the worker's own clock says how fast it decoded.
CELL = """
import json, time, modelhub
_answer = modelhub.chat({prompt!r}, model={model!r}, temperature=0, max_tokens={tokens})
while not _answer.done:
    {meanwhile}
print(json.dumps(({tokens} - 1) / _answer.debug["timings"]["decode_s"]))
"""
SPIN = "sum(range(1000))"
REST = "time.sleep(0.05)"


def measure(options: Options) -> list[Row]:
    """A cell that waits and one that computes, in turn; then the same with the high-level API in a thread."""
    rates: dict[str, list[float]] = {REST: [], SPIN: []}
    model = str(small())
    with TimedKernel(options) as kernel:
        kernel.timed(f"%models load {model} -c 1024", 300)
        threads = int(kernel.data(f"import modelhub; print(modelhub.hub().engine({model!r}).loaded['threads'])"))
        for turn in range(options.times(5) + 1):
            for meanwhile in (REST, SPIN):
                cell = CELL.format(prompt=words(32, turn), model=model, tokens=TOKENS, meanwhile=meanwhile)
                rates[meanwhile].append(kernel.data(cell))
    quiet, busy = Samples(rates[REST][1:]), Samples(rates[SPIN][1:])
    ratio = busy.over(quiet)
    with HighLevel(small(), n_ctx=1024) as high_level:
        question = [{"role": "user", "content": words(32)}]
        alone = rate(high_level.times(question, TOKENS))
        beside = high_level.rate_beside_a_busy_thread(question, TOKENS)
    return [
        Row("tokens a second beside a busy Python cell over beside a waiting one", f"≥ {GOAL}", ratio.show(3),
            ratio.median >= GOAL,
            f"135M Q8_0, {TOKENS} tokens, {threads} threads on {os.cpu_count()} cores: {busy.show(0)} and "
            f"{quiet.show(0)} tokens/s"),
        Row("the same, the high-level API", "", f"{beside / alone:.3f}", None,
            f"peer: `llama_cpp.Llama` and a busy thread in one process: {beside:.0f} and {alone:.0f} tokens/s"),
    ]  # fmt: skip
