"""What log probabilities with twenty alternatives cost a token."""

from __future__ import annotations

import time

from benchmarks.cached_models import one_b, tiny, words
from benchmarks.figure import Options, Row, Samples
from benchmarks.high_level import HighLevel
from benchmarks.isolated import Isolated
from benchmarks.lone_worker import LoneWorker
from benchmarks.timed_worker import TimedWorker

LIMITS = {32_000: 80, 128_256: 250}  # vocabulary -> µs a token
GOAL = 0.99
TOP = {"logprobs": True, "top_logprobs": 20}
TOKENS, AT, WINDOW = 160, 100, 50
PEER_TOKENS, PEER_AT, PEER_WINDOW = 20, 10, 8
DECODED = 48


def measure(options: Options) -> list[Row]:
    """Next to nothing but the vocabulary first; then a model of 1B, where it is a part of a whole."""
    return [*(row for vocabulary in LIMITS for row in _cost(vocabulary, options)), *_one_b(options)]


def _cost(vocabulary: int, options: Options) -> list[Row]:
    path, limit = tiny(vocabulary), LIMITS[vocabulary]
    costs: list[float] = []
    with TimedWorker(path, context=512, slots=1) as worker:
        for turn in range(options.times(5)):
            plain, top = (worker.costs([words(32, turn)], TOKENS, (AT,), WINDOW, **fields)[0] for fields in ({}, TOP))
            costs.append(top.python - plain.python)
    with HighLevel(path, n_ctx=128, logits_all=True) as high_level:
        question = [{"role": "user", "content": words(32)}]
        plain, top = (
            high_level.costs(question, PEER_TOKENS, (PEER_AT,), PEER_WINDOW, **fields)[0] for fields in ({}, TOP)
        )
    with Isolated() as alone:
        finding = Samples([alone.run(_finding_us, vocabulary) for _ in range(options.times(5))])
    peer, cost = top.python - plain.python, Samples(costs)
    return [
        Row(f"top-20 log probabilities a token, {vocabulary:,} tokens of vocabulary", f"≤ {limit} µs",
            cost.show(0, "µs"), cost.median <= limit,
            f"CPU of the worker's thread with them less without, of which {finding.median:.0f} µs to find them, the "
            f"rest to spell and send them; peer, `llama_cpp.Llama` with logits_all: "
            f"{peer:,.0f} µs, {peer / cost.median:.0f} times as much"),
    ]  # fmt: skip


def _finding_us(vocabulary: int, times: int = 200) -> float:
    """Microseconds of CPU to find the twenty and the logarithm of the sum in one row of logits."""
    import numpy as np

    from modelhub.kernels.worker.logprobs import chosen_and_top

    rows = np.random.default_rng(0).standard_normal((8, vocabulary), dtype=np.float32)
    began = time.thread_time()
    for number in range(times):
        chosen_and_top(rows[number % len(rows)], 0, TOP["top_logprobs"])
    return 1e6 * (time.thread_time() - began) / times


def _one_b(options: Options) -> list[Row]:
    rates: dict[bool, list[float]] = {False: [], True: []}
    cpu: dict[bool, list[float]] = {False: [], True: []}
    with LoneWorker(one_b(), context=512, threads=1) as worker:
        for turn in range(options.times(7) + 1):
            for top in (False, True) if turn % 2 else (True, False):
                fields = {"temperature": 0, "max_tokens": DECODED, **(TOP if top else {})}
                got = worker.ask(words(32, turn), **fields)
                rates[top].append((got.tokens - 1) / (got.times[-1] - got.times[0]))
                cpu[top].append(got.cpu / got.tokens)
    ratio = Samples(rates[True][1:]).over(Samples(rates[False][1:]))
    by_cpu = Samples(cpu[False][1:]).over(Samples(cpu[True][1:]))
    return [
        Row("tokens a second with top-20 over without, 1B Q4_0", f"≥ {GOAL}", ratio.show(3), ratio.median >= GOAL,
            f"one stream of {DECODED} tokens from the worker with one thread, in turn; "
            f"by its CPU: {by_cpu.show(3)}"),
    ]  # fmt: skip
