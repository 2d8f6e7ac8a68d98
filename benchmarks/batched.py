"""Tokens a second of 1 to 16 answers at once, in sum, over llama-batched-bench at each width."""

from __future__ import annotations

import itertools

from benchmarks import peers
from benchmarks.cached_models import one_b, words
from benchmarks.figure import Options, Row, Samples
from benchmarks.lone_worker import Answer, LoneWorker, Question

WIDTHS = (1, 2, 4, 8, 16)
PROMPT, TOKENS, TOKENS_FULL = 32, 24, 48
GOAL, GOAL_SUM = 0.95, 2.0
NOISE = 0.03  # of two measurements of the same thing


def measure(options: Options) -> list[Row]:
    """One quantisation, or with --full all three."""
    peers.program("llama-batched-bench")
    return [row for quant in ("Q4_0", "Q8_0", "Q4_K_M")[: 3 if options.full else 1] for row in _rows(quant, options)]


def _rows(quant: str, options: Options) -> list[Row]:
    path, tokens = one_b(quant), TOKENS_FULL if options.full else TOKENS
    ours: dict[int, list[float]] = {width: [] for width in WIDTHS}
    peer: dict[int, list[float]] = {width: [] for width in WIDTHS}
    with LoneWorker(path, context=512, slots=max(WIDTHS), threads=options.threads) as worker:
        threads = worker.threads
        worker.ask(words(PROMPT, 999), temperature=0, max_tokens=4)

        def ask_worker(turn: int, width: int) -> None:
            questions = [
                Question(words(PROMPT, 1000 * turn + 20 * width + number), {"temperature": 0, "max_tokens": tokens})
                for number in range(width)
            ]
            ours[width].append(together(worker.ask_all(questions)))

        def ask_peer(_turn: int, width: int) -> None:
            peer[width].append(peers.batched_bench(path, threads, PROMPT, tokens, width))

        for turn in range(options.times(3)):
            for width in WIDTHS:
                for ask in (ask_worker, ask_peer) if turn % 2 else (ask_peer, ask_worker):
                    ask(turn, width)
    ratios = {width: Samples(ours[width]).over(Samples(peer[width])) for width in WIDTHS}
    rates = {width: Samples(ours[width]).median for width in WIDTHS}
    steps = {b: rates[b] / rates[a] for a, b in itertools.pairwise(WIDTHS)}
    worst = min(steps, key=lambda width: steps[width])
    peer_steps = [Samples(peer[b]).median / Samples(peer[a]).median for a, b in itertools.pairwise(WIDTHS)]
    sums = Samples(ours[max(WIDTHS)]).over(Samples(ours[1]))
    rows = [
        Row(f"{width} at once, 1B {quant}, over llama-batched-bench", f"≥ {GOAL}", ratios[width].show(3),
            ratios[width].median >= GOAL,
            f"in sum, prompts of {PROMPT} read, {tokens} tokens each, both with {threads} threads: "
            f"{Samples(ours[width]).show(1)} tokens/s; peer: {Samples(peer[width]).show(1)}")
        for width in WIDTHS
    ]  # fmt: skip
    goal = quant == "Q4_0"
    return [
        *rows,
        Row(f"{max(WIDTHS)} at once over one, 1B {quant}", f"≥ {GOAL_SUM:g}" if goal else "", sums.show(2),
            sums.median >= GOAL_SUM if goal else None, "in sum, the worker over itself"),
        Row(f"the worst of each width over the one before, 1B {quant}", "≥ 1", f"{steps[worst]:.2f} at {worst}",
            steps[worst] >= 1 - NOISE,
            f"never slower in sum than fewer streams, {NOISE:.0%} allowed for noise; medians: "
            f"{', '.join(f'{rates[width]:.1f}' for width in WIDTHS)} tokens/s at {', '.join(map(str, WIDTHS))}; "
            f"peer's worst: {min(peer_steps):.2f}"),
    ]  # fmt: skip


def together(answers: list[Answer]) -> float:
    """Tokens a second in sum, from when all of them have begun until the last has ended."""
    begin, end = max(a.times[0] for a in answers), max(a.times[-1] for a in answers)
    return sum(begin < at <= end for a in answers for at in a.times) / (end - begin)
