"""From a dead worker to the first token of the next answer."""

from __future__ import annotations

import os
import signal

from benchmarks.cached_models import small, words
from benchmarks.figure import Options, Row, Samples
from benchmarks.hub_model import HubModel, first_token

LIMIT_S = 1.0


def measure(options: Options) -> list[Row]:
    """Killed while it is idle; then the next question is asked."""
    after: list[float] = []
    usual: list[float] = []
    with HubModel(small(), context=1024) as model:
        model.ask(words(32), 4)
        for turn in range(options.times(7)):
            usual.append(first_token(model.ask(words(32, 2 * turn + 1), 4)))
            os.kill(model.pid, signal.SIGKILL)
            after.append(first_token(model.ask(words(32, 2 * turn + 2), 4)))
    got = Samples(after)
    return [
        Row("first token after the worker was killed, 135M Q8_0", f"≤ {LIMIT_S:g} s", got.show(2, "s"),
            got.median <= LIMIT_S,
            f"asked right after SIGKILL: a new process, the model loaded, a prompt of 32 tokens; of a worker that "
            f"lives: {Samples(usual).show(2, 's')}"),
    ]  # fmt: skip
