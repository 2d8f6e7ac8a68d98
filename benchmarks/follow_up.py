"""Time to the first text of a late turn over that of the second: it must not grow with the conversation."""

from __future__ import annotations

import json
import statistics
from dataclasses import dataclass
from typing import Any

from benchmarks.cached_models import END, LETTER_A, shallow
from benchmarks.figure import Options, Row, Samples
from benchmarks.timed_kernel import TimedKernel, cpu_of

LIMIT = 1.3
LAST = """
import json
_last = Out[max(Out)]
print(json.dumps(_last.usage()))
"""
AGAIN = """
import json, modelhub
_fields = {k: v for k, v in _last.request.to_dict().items() if v is not None}
_again = modelhub.chat(_fields.pop("messages"), **_fields)
_again.text()
print(json.dumps(_again.timings()["first_token_s"]))
"""


@dataclass(frozen=True)
class Case:
    """A model, and the conversation it is led through."""

    model: str
    label: str
    turns: int
    words: int  # of each question
    tokens: int  # of each answer
    bias: dict[int, float]


def measure(options: Options) -> list[Row]:
    """Every conversation has a kernel and a model of its own; its first turn has no history: left out."""
    # The letter a is forced: an answer of known tokens, so that every turn adds equally many.
    big = Case(str(shallow()), "150M of random weights", 12, 12, 24, {LETTER_A: 100, END: -100})
    small = Case("tiny-chat", "`tiny-chat`", 12, 6, 12, {0: -100, 2: -100})
    return [*_rows(big, options), *_rows(small, options)]


def _rows(case: Case, options: Options) -> list[Row]:
    runs = [_conversation(case, options, number) for number in range(options.times(5))]
    second, last = (Samples([1e3 * run[at]["first"] for run in runs]) for at in (1, -1))
    growth = last.over(second)
    middle = [statistics.median(1e3 * run[at]["first"] for run in runs) for at in range(1, case.turns)]
    early, late = runs[0][1], runs[0][-1]
    empty = Samples([1e3 * run[-1]["empty"] for run in runs])
    cpu = Samples([run[-1]["cpu"] / run[1]["cpu"] for run in runs])
    return [
        Row(f"first text of turn {case.turns} over turn 2, {case.label}", f"≤ {LIMIT}", growth.show(2),
            growth.median <= LIMIT,
            f"{second.show(0, 'ms')} at {early['prompt']:.0f} tokens, of which {early['new']:.0f} new; "
            f"{last.show(0, 'ms')} at {late['prompt']:.0f}, of which {late['new']:.0f} new; "
            f"turns 2–{case.turns}: {' '.join(f'{m:.0f}' for m in middle)} ms"),
        Row("the same by the worker's CPU", "", cpu.show(2), None,
            f"for a noisy machine; the {case.tokens} tokens of the answer included"),
        Row(f"the same turn {case.turns} over itself from empty memory", "", last.over(empty).show(2), None,
            f"peer: the model loaded anew, the same conversation asked again: {empty.show(0, 'ms')}"),
    ]  # fmt: skip


def _conversation(case: Case, options: Options, number: int) -> list[dict[str, float]]:
    """Seconds to the first text, tokens of the prompt and those not in memory, of each turn."""
    with TimedKernel(options) as kernel:
        kernel.timed(f"%models load {case.model}", 300)
        pid = int(kernel.data(f"import modelhub; print(modelhub.hub().engine({case.model!r}).pid)"))
        turns: list[dict[str, float]] = []
        for turn in range(case.turns):
            question = " ".join(_words(case.words, seed=number * 100 + turn))
            new = "--new" if turn == 0 else ""
            flags = f"-t 0 --seed 1 --max-tokens {case.tokens} -o 'logit_bias={json.dumps(case.bias)}'"
            cell = f"%%chat -m {case.model} {new} {flags}\n{question}"
            cpu = cpu_of(pid)
            ran = kernel.timed(cell, 300)
            cpu = cpu_of(pid) - cpu
            usage: dict[str, Any] = kernel.data(LAST)
            prompt = usage["prompt_tokens"]
            new_tokens = prompt - usage["prompt_tokens_details"]["cached_tokens"]
            turns.append({"first": ran.first_text, "prompt": prompt, "new": new_tokens, "cpu": cpu})
        kernel.timed(f"%models unload {case.model}")
        kernel.timed(f"%models load {case.model}", 300)
        turns[-1]["empty"] = kernel.data(AGAIN, 300)
        return turns


def _words(count: int, seed: int) -> list[str]:
    """Words of five letters, different for every seed and equally long in tokens."""
    return ["".join(chr(97 + (seed * 7 + i * 11 + j * 5) % 19) for j in range(5)) for i in range(count)]
