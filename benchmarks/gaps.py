"""How long running answers wait while a prompt arrives, and what the newcomer pays for their sake."""

from __future__ import annotations

import itertools
import statistics
from dataclasses import dataclass

from benchmarks.cached_models import one_b, words
from benchmarks.figure import Options, Row, Samples
from benchmarks.timed_worker import TimedWorker

STREAMS, PROMPT = 4, 400
TOKENS, AFTER = 100, 12
LIMIT, LIMIT_FIRST = 6, 1.02


@dataclass(frozen=True)
class Run:
    """Seconds: the usual gap before the newcomer, the worst while its prompt is read, its time to the first token."""

    usual: float
    worst: float
    first: float


def measure(options: Options) -> list[Row]:
    """The same with our chunks and with the newcomer's whole prompt in one step, in turn."""
    ours: list[Run] = []
    naive: list[Run] = []
    with TimedWorker(one_b(), context=1024, slots=STREAMS + 1) as worker:
        _run(worker, 99, False)  # so that the worker has learnt how long its steps take
        for turn in range(options.times(3)):
            for whole in (True, False) if turn % 2 else (False, True):
                (naive if whole else ours).append(_run(worker, 2 * turn + whole, whole))
    ratio = Samples([run.worst / run.usual for run in ours])
    first = Samples([run.first for run in ours]).over(Samples([run.first for run in naive]))
    naive_ratio = Samples([run.worst / run.usual for run in naive])

    def ms(runs: list[Run], name: str) -> str:
        return Samples([1e3 * getattr(run, name) for run in runs]).show(0, "ms")

    return [
        Row(f"worst gap of {STREAMS} answers while a prompt of {PROMPT} arrives, over their usual one", f"≤ {LIMIT}",
            ratio.show(1), ratio.median <= LIMIT,
            f"1B Q4_0: {ms(ours, 'worst')}, usually {ms(ours, 'usual')}; peer, the whole prompt in one step: "
            f"{naive_ratio.show(0)}, {ms(naive, 'worst')}"),
        Row("the newcomer's first token over that peer's", f"≤ {LIMIT_FIRST}", first.show(3),
            first.median <= LIMIT_FIRST,
            f"{ms(ours, 'first')}; peer, which makes the {STREAMS} answers wait: {ms(naive, 'first')}"),
    ]  # fmt: skip


def _run(worker: TimedWorker, seed: int, whole: bool) -> Run:
    prompts = [words(32, 100 * seed + number) for number in range(STREAMS)]
    (*running, newcomer), asked = worker.arrivals(prompts, TOKENS, words(PROMPT, 100 * seed + 99), AFTER, whole)
    before: list[float] = []
    during: list[float] = []
    for times in running:
        for a, b in itertools.pairwise(times):
            if b <= asked:
                before.append(b - a)
            elif a < newcomer[0]:
                during.append(b - a)
    return Run(statistics.median(before), max(during), newcomer[0] - asked)
