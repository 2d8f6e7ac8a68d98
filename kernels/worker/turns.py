"""Whose turn it is: which sequences go into the next decode, and how many tokens of each.

Running streams go by one token each. Of the prompts that are being read a chunk goes beside them. In the unified
layout of the context all of it is one decode; half of the chunk goes to the oldest prompt and half to the one nearest
to its end, so that a short question never waits for a long document. In the separate layout streams and prompts are
decoded one after the other, and prompts by equal chunks: llama.cpp would split them so anyway, and then what a
sequence computes does not depend on who is beside it.
"""

from __future__ import annotations

from modelhub.kernels.worker.pace import Pace
from modelhub.kernels.worker.sequence import Choice

Turns = list[tuple[Choice, int]]

# A matrix product of one row takes another path in ggml than one of several, and rounds differently (ggml-cpu.c,
# llamafile_sgemm): in the separate layout a prompt is never read by a single token, if it can be helped.
LEAST = 2


def decodes(active: list[Choice], pace: Pace, most: int, rows: int, separate: bool) -> list[Turns]:
    """The decodes of a step, each a list of (choice, tokens).

    most: tokens a decode may have. rows: tokens of prompts whose log probabilities are wanted that a decode may have.
    """
    running = [c for c in active if c.pending is not None]
    readers = [c for c in active if c.pending is None]
    width = len(running) if readers else pace.width(len(running))
    width = min(width, most if separate or not readers else max(1, most - 1))
    if width < len(running):
        running = sorted(running, key=lambda c: c.stepped)[:width]
    streams = [(c, 1) for c in running]
    room = pace.chunk(len(running), most) if readers else 0
    if separate:
        turns = [streams, _alike(readers, room, rows)]
    else:
        turns = [streams + _shared(readers, min(room, most - len(streams)), rows)]
    return [sorted(t, key=lambda turn: _slot(turn[0])) for t in turns if t]


def rest(choice: Choice) -> int:
    """How many tokens of the prompt have still to be read."""
    return len(choice.prompt) - (len(choice.slot.tokens) if choice.slot is not None else 0)


def _shared(readers: list[Choice], room: int, rows: int) -> Turns:
    """Chunks within `room`: half for the prompt nearest to its end, what is left for the oldest first."""
    if not readers:
        return []
    nearest = min(readers, key=rest)
    by_age = sorted(readers, key=lambda c: (c.request.received, c.index))
    counts: dict[int, int] = {}
    for choice, most in [(nearest, (room + 1) // 2), *((c, room) for c in by_age)]:
        given = counts.get(_slot(choice), 0)
        count = min(rest(choice) - given, room, most)
        if choice.scored is not None:
            count = min(count, rows)
            rows -= count
        counts[_slot(choice)] = given + count
        room -= count
    return [(c, counts[_slot(c)]) for c in readers if counts[_slot(c)]]


def _alike(readers: list[Choice], room: int, rows: int) -> Turns:
    """Equal chunks for as many prompts as that leaves more than one token or none."""
    if not readers:
        return []
    nearest = min(readers, key=rest)
    if nearest.scored is not None:
        count = min(rest(nearest), room, rows)
        return [(nearest, count - (rest(nearest) - count == 1 < count))]
    plain = [c for c in readers if c.scored is None]
    count = min(rest(nearest), max(LEAST, room // len(plain)))
    if rest(nearest) - count == 1:
        count = count - 1 if count > LEAST else count + 1
    most = max(1, room // count)
    return [(c, count) for c in sorted(plain, key=rest) if rest(c) - count != 1 or c is nearest][:most]


def _slot(choice: Choice) -> int:
    return choice.slot.id if choice.slot is not None else -1
