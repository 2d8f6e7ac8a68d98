"""How much to evaluate in a step, learnt from how long steps take on this machine with this model.

Two things are chosen. How many prompt tokens go beside running streams: as many as hold them up for a few of their
own steps, no more. And how many of the running streams go into one batch: usually all, but some kernels of ggml take
longer for four sequences together than for four in turn (8-bit weights on a CPU), so the widths are tried out and the
quickest in sum is kept.
"""

from __future__ import annotations

from collections import Counter, deque

GAP = 4.5  # a step with prompt tokens beside streams may take so many times a step without
FIRST_CHUNK = 32  # prompt tokens beside streams while nothing is known yet
LEAST_CHUNK = 16  # fewer make the newcomer wait for long and relieve nobody
REMEMBERED = 4  # steps of one width; the quickest counts, because noise only ever adds
SETTLED = 16  # steps of all streams together before narrower batches are tried: a short answer never pays for it
LOOK = 64  # steps between two looks at how all of them together would do, while fewer are taken
AGAIN = 1000  # steps after which what was learnt is learnt anew: histories grow, neighbours come and go
WORTH = 1.05  # a narrower batch must be so much quicker in sum to be taken


class Pace:
    """What is known of the time steps take; one model's, used by its scheduler alone."""

    def __init__(self) -> None:
        """Nothing is known yet."""
        self._steps: dict[int, deque[float]] = {}  # width -> seconds of its last steps
        self._prompt: deque[float] = deque(maxlen=REMEMBERED)  # seconds a prompt token
        self._counts: Counter[int] = Counter()  # width -> steps of it
        self._age = 0

    def learn(self, streams: int, prompt_tokens: int, seconds: float) -> None:
        """A step with so many streams and prompt tokens took so long."""
        if not prompt_tokens:
            self._steps.setdefault(streams, deque(maxlen=REMEMBERED)).append(seconds)
            self._counts[streams] += 1
            self._age += 1
            if self._age >= AGAIN:
                self._age = 0
                self._steps.clear()
                self._counts.clear()
        elif not streams:
            self._prompt.append(seconds / prompt_tokens)
        elif (usual := self.seconds(streams)) is not None:
            self._prompt.append(max(seconds - usual, 1e-6) / prompt_tokens)

    def seconds(self, streams: int) -> float | None:
        """How long a step of so many streams takes, if it is known."""
        known = self._steps.get(streams)
        return min(known) if known else None

    def chunk(self, streams: int, most: int) -> int:
        """Prompt tokens to evaluate beside so many streams, at most `most`."""
        usual = self.seconds(streams)
        if not streams or usual is None or not self._prompt:
            return most if not streams else min(FIRST_CHUNK, most)
        tokens = int((GAP - 1) * usual / min(self._prompt))
        return min(max(LEAST_CHUNK, tokens // 8 * 8), most)

    def width(self, streams: int) -> int:
        """How many of so many running streams to evaluate together now."""
        if streams < 2 or self._counts[streams] < SETTLED or self._age % LOOK == 0:
            return streams
        widths = [streams]
        narrower = 1
        while narrower < streams:
            if narrower not in self._steps:
                return narrower
            widths.append(narrower)
            narrower *= 2
        rates = {width: width / min(self._steps[width]) for width in widths}
        best = max(rates, key=lambda width: rates[width])
        return best if rates[best] > WORTH * rates[streams] else streams
