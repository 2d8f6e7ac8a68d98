"""Tokens a second of a 1B-shaped model through `%%chat`, display included, over the worker's loop alone."""

from __future__ import annotations

import json
from typing import Any

from benchmarks.cached_models import END, one_b
from benchmarks.figure import Options, Row, Samples
from benchmarks.lone_worker import LoneWorker
from benchmarks.timed_kernel import TimedKernel, cpu_of

TOKENS = 96
GOAL = 0.95
PROMPT = "Tell me a story."

LAST = """
import json, modelhub
_last = Out[max(Out)]
print(json.dumps({"usage": _last.usage(), "timings": _last.debug["timings"]}))
"""


def measure(options: Options) -> list[Row]:
    """One and the other in turn, the order changing; the rate is (tokens - 1) / (end - first text)."""
    path, bias = one_b(), {END: -100}
    cell = (f"%%chat -m {path} --new -t 0 --seed 1 --max-tokens {TOKENS} "
            f"-o 'logit_bias={json.dumps(bias)}'\n{PROMPT}")  # fmt: skip
    through: list[dict[str, float]] = []
    alone: list[dict[str, float]] = []
    with TimedKernel(options) as kernel, LoneWorker(path) as worker:
        kernel.timed(cell, 300)
        pid = int(kernel.data(f"import modelhub; print(modelhub.hub().engine({str(path)!r}).pid)"))

        def ask_kernel() -> None:
            cpu, own = cpu_of(pid), kernel.cpu()
            ran = kernel.timed(cell, 300)
            cpu, own = cpu_of(pid) - cpu, kernel.cpu() - own
            last = kernel.data(LAST)
            through.append(_figures(last["usage"]["completion_tokens"], ran.first_text, ran.last_shown.after,
                                    last["timings"], cpu) | {"kernel_cpu": own})  # fmt: skip

        def ask_worker() -> None:
            got = worker.ask(PROMPT, temperature=0, seed=1, max_tokens=TOKENS, logit_bias=bias)
            alone.append(_figures(got.tokens, got.first_text, got.end, got.done["timings"], got.cpu))

        ask_worker()
        alone.clear()
        for turn in range(options.times(7)):
            for ask in (ask_kernel, ask_worker) if turn % 2 else (ask_worker, ask_kernel):
                ask()

    def ratio(key: str) -> Samples:
        return _of(through, key).over(_of(alone, key))

    wall, inner, cpu = ratio("rate"), ratio("own_rate"), ratio("rate_cpu")
    kernel_ms = Samples([1e3 * f["kernel_cpu"] / TOKENS for f in through])
    return [
        Row("decode through `%%chat` over the worker alone, 1B Q4_0", f"≥ {GOAL}", wall.show(3),
            wall.median >= GOAL,
            f"tokens a second to the final display, {TOKENS} tokens: {_of(through, 'rate').show(1)}; "
            f"peer: {_of(alone, 'rate').show(1)}"),
        Row("the same by the workers' own clocks", "", inner.show(3), None,
            "decode_s of each answer, without display"),
        Row("the same per second of the workers' CPU", "", cpu.show(3), None, "for a noisy machine"),
        Row("the kernel's CPU a token", "", kernel_ms.show(2, "ms"), None, "of the whole cell"),
    ]  # fmt: skip


def _figures(tokens: int, first: float, end: float, timings: dict[str, Any], cpu: float) -> dict[str, float]:
    return {
        "rate": (tokens - 1) / (end - first),
        "own_rate": (tokens - 1) / float(timings["decode_s"]),
        "rate_cpu": tokens / cpu,
    }


def _of(figures: list[dict[str, float]], key: str) -> Samples:
    return Samples([f[key] for f in figures])
