"""Python's part of a token in the worker, at one stream and at sixteen, early in an answer and late."""

from __future__ import annotations

from benchmarks.cached_models import micro, tiny, words
from benchmarks.figure import Options, Row, Samples
from benchmarks.high_level import HighLevel
from benchmarks.timed_worker import TimedWorker

STREAMS = 16
EARLY, LATE = 60, 8000
LIMIT_ONE, LIMIT_MANY, FLAT = 150, 60, 1.5  # a decode over a long history leaves Python cold caches
WINDOW = 50  # tokens before and after the place that is looked at
MANY_LATE = 1000  # sixteen streams of 8,000 tokens take minutes
PEER_LATE = 2000
PEER_LATE_FULL = 4000


def measure(options: Options) -> list[Row]:
    """CPU of the thread, so that a noisy machine adds little; the models are so small that Python is most of it."""
    late = LATE if options.full else MANY_LATE
    peer_late = PEER_LATE_FULL if options.full else PEER_LATE
    one, many, peer = [], [], []
    with (
        TimedWorker(tiny(), context=9216, slots=2) as worker,
        TimedWorker(micro(), context=9216, slots=STREAMS, kv_unified=False) as wide,
        HighLevel(tiny(), n_ctx=9216) as high_level,
    ):
        worker.costs([words(32)], 100, (EARLY,))
        for turn in range(options.times(3)):
            one.append(worker.costs([words(32, turn)], LATE + WINDOW, (EARLY, LATE), WINDOW))
            prompts = [words(32, turn * STREAMS + number) for number in range(STREAMS)]
            many.append(wide.costs(prompts, late + WINDOW, (EARLY, late), WINDOW))
            if turn == 0:
                question = [{"role": "user", "content": words(32)}]
                peer = high_level.costs(question, peer_late + WINDOW, (EARLY, peer_late), WINDOW)
    one_early, one_late = (Samples([run[at].python for run in one]) for at in (0, 1))
    many_early, many_late = (Samples([run[at].python for run in many]) for at in (0, 1))
    flat, flat_many = one_late.over(one_early), many_late.over(many_early)
    how = "CPU of the worker's thread without llama.cpp's decode and samplers, messages to the kernel included"
    return [
        Row(f"Python a token, 1 stream, at token {LATE:,}", f"≤ {LIMIT_ONE} µs", one_late.show(0, "µs"),
            one_late.median <= LIMIT_ONE, f"{how}; at token {EARLY}: {one_early.show(0, 'µs')}"),
        Row(f"Python a token, {STREAMS} streams, at token {late:,}", f"≤ {LIMIT_MANY} µs", many_late.show(0, "µs"),
            many_late.median <= LIMIT_MANY, f"the same; at token {EARLY}: {many_early.show(0, 'µs')}"),
        Row(f"the same, 1 stream, token {LATE:,} over token {EARLY}", f"≤ {FLAT}", flat.show(2),
            flat.median <= FLAT, f"the high-level API: "
            f"{peer[1].python / peer[0].python:.0f}"),
        Row(f"the same, {STREAMS} streams, token {late:,} over token {EARLY}", f"≤ {FLAT}", flat_many.show(2),
            flat_many.median <= FLAT, "the same"),
        Row(f"the high-level API's Python at token {peer_late:,} over ours", "",
            f"{peer[1].python / one_late.median:.0f}", None,
            f"peer: `llama_cpp.Llama`, streamed chat, measured alike: {peer[0].python:.0f} µs at token {EARLY}, "
            f"{peer[1].python:.0f} µs at {peer_late:,}"),
    ]  # fmt: skip
