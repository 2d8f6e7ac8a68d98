"""What one busy process on the same machine costs an answer."""

from __future__ import annotations

import contextlib
import os

from benchmarks import peers
from benchmarks.cached_models import one_b, words
from benchmarks.figure import Options, Row, Samples
from benchmarks.isolated import BusyNeighbour
from benchmarks.lone_worker import LoneWorker

LIMIT = 2.5
TOKENS, PEER_TOKENS = 48, 8


def measure(options: Options) -> list[Row]:
    """Quiet and busy in turn, with the threads the worker chooses itself."""
    rates: dict[bool, list[float]] = {False: [], True: []}
    with LoneWorker(one_b(), context=512) as worker:
        threads = worker.threads
        worker.ask(words(32, 99), temperature=0, max_tokens=8)
        for turn in range(options.times(3)):
            for busy in (False, True):
                with BusyNeighbour() if busy else contextlib.nullcontext():
                    got = worker.ask(words(32, 2 * turn + busy), temperature=0, max_tokens=TOKENS)
                rates[busy].append((got.tokens - 1) / (got.times[-1] - got.times[0]))
    quiet, busy_rates = Samples(rates[False]), Samples(rates[True])
    slower = quiet.over(busy_rates)
    row = Row("one busy process beside: tokens a second without over with", f"≤ {LIMIT}", slower.show(2),
              slower.median <= LIMIT,
              f"1B Q4_0, {TOKENS} tokens, default load ({threads} threads at first, {os.cpu_count()} cores): "
              f"{quiet.show(1)} and {busy_rates.show(1)} tokens/s")  # fmt: skip
    return [row, _peer()]


def _peer() -> Row:
    figure, cores = "the same, llama-bench with a thread a core", os.cpu_count() or 1
    try:
        quiet = peers.bench(one_b(), cores, TOKENS, 0)
        with BusyNeighbour():
            busy = peers.bench(one_b(), cores, PEER_TOKENS, 0)
    except peers.NoPeer as missing:
        return Row(figure, "", "skipped", None, str(missing))
    return Row(figure, "", f"{quiet / busy:.1f}", None, f"peer, -t {cores}: {quiet:.1f} and {busy:.1f} tokens/s")
