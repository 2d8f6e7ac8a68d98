"""Python's part of a token in the worker, at one stream and at sixteen, early in an answer and late."""

from __future__ import annotations

from dataclasses import dataclass, field

from benchmarks.cached_models import micro, tiny, words
from benchmarks.figure import Options, Row, Samples
from benchmarks.high_level import HighLevel
from benchmarks.timed_worker import TimedWorker

STREAMS = 16
EARLY, LATE = 60, 8000
LIMIT_ONE, LIMIT_MANY, FLAT = 150, 60, 1.25
WINDOW = 50  # tokens before and after the place that is looked at
MANY_LATE = 1000  # sixteen streams of 8,000 tokens take a minute
PEER_LATE, PEER_LATE_FULL = 2000, 4000
PROMPT = 32


@dataclass
class Places:
    """Microseconds of Python a token: early in an answer, late in it, and early after a prompt as long as late is.

    The last is what `late` is compared with: llama.cpp passes over a history of the same length before each token,
    and so leaves Python's data as far out of the processor's caches.
    """

    early: list[float] = field(default_factory=list)
    late: list[float] = field(default_factory=list)
    after_prompt: list[float] = field(default_factory=list)

    def measure(self, worker: TimedWorker, streams: int, late: int, seed: int) -> None:
        """One answer from its beginning to beyond `late`, and a short one after a long prompt."""
        prompts = [words(PROMPT, seed + number) for number in range(streams)]
        early, far = worker.costs(prompts, late + WINDOW, (EARLY, late), WINDOW)
        prompts = [words(PROMPT + late - EARLY, seed + number) for number in range(streams)]
        (after,) = worker.costs(prompts, EARLY + WINDOW, (EARLY,), WINDOW)
        self.early.append(early.python)
        self.late.append(far.python)
        self.after_prompt.append(after.python)


def measure(options: Options) -> list[Row]:
    """CPU of the thread, so that a noisy machine adds little; the models are so small that Python is most of it."""
    one, many = Places(), Places()
    many_late = LATE if options.full else MANY_LATE
    with (
        TimedWorker(tiny(), context=9216, slots=2) as worker,
        TimedWorker(micro(), context=9216, slots=STREAMS, kv_unified=False) as wide,
    ):
        worker.costs([words(PROMPT)], 100, (EARLY,))
        for turn in range(options.times(3)):
            one.measure(worker, 1, LATE, turn)
            many.measure(wide, STREAMS, many_late, 100 * turn)
    peer_late = PEER_LATE_FULL if options.full else PEER_LATE
    with HighLevel(tiny(), n_ctx=9216) as high_level:
        question = [{"role": "user", "content": words(PROMPT)}]
        peer_early, peer = (
            c.python for c in high_level.costs(question, peer_late + WINDOW, (EARLY, peer_late), WINDOW)
        )
    return [
        *_rows(one, "1 stream", LATE, LIMIT_ONE),
        *_rows(many, f"{STREAMS} streams", many_late, LIMIT_MANY),
        Row(f"the high-level API's Python at token {peer_late:,} over ours at {LATE:,}", "",
            f"{peer / Samples(one.late).median:.0f}", None,
            f"peer: `llama_cpp.Llama`, streamed chat, measured alike: {peer_early:.0f} µs at token {EARLY}, "
            f"{peer:,.0f} µs at {peer_late:,}"),
    ]  # fmt: skip


def _rows(got: Places, streams: str, late: int, limit: int) -> list[Row]:
    last, flat = Samples(got.late), Samples(got.late).over(Samples(got.after_prompt))
    return [
        Row(f"Python a token, {streams}, at token {late:,}", f"≤ {limit} µs", last.show(0, "µs"), last.median <= limit,
            f"CPU of the worker's thread without llama.cpp's decode and samplers, messages to the kernel included; at "
            f"token {EARLY}: {Samples(got.early).show(0, 'µs')}"),
        Row(f"the same, {streams}, token {late:,} of an answer over token {EARLY}", f"≤ {FLAT}", flat.show(2),
            flat.median <= FLAT,
            f"flat; token {EARLY} after a prompt that makes the history as long, so that caches are as cold: "
            f"{Samples(got.after_prompt).show(0, 'µs')}"),
    ]  # fmt: skip
