"""Whether an answer drawn greedily among others is the one drawn alone, bit for bit."""

from __future__ import annotations

from benchmarks.cached_models import one_b, shallow, words
from benchmarks.figure import Options, Row
from benchmarks.lone_worker import LoneWorker, Question

TOGETHER, TOKENS, TOKENS_FULL = 8, 64, 96
PROMISED = ("Q4_0", "Q8_0")  # of the layout that has a context for each sequence


def measure(options: Options) -> list[Row]:
    """Each prompt alone in a new worker's memory, then all at once; 150M, or with --full 1B."""
    return [_row(quant, unified, options) for unified in (False, True) for quant in ("Q4_0", "Q8_0", "Q4_K_M")]


def _row(quant: str, unified: bool, options: Options) -> Row:
    path = one_b(quant) if options.full else shallow(quant)
    tokens = TOKENS_FULL if options.full else TOKENS
    questions = [
        Question(words(40 + 9 * number, number), {"temperature": 0, "max_tokens": tokens}) for number in range(TOGETHER)
    ]
    load = {"context": 512, "slots": TOGETHER, "kv_unified": unified}
    with LoneWorker(path, **load) as worker:
        together = [answer.text for answer in worker.ask_all(questions)]
    with LoneWorker(path, **load) as worker:
        alone = [worker.ask_all([question])[0].text for question in questions]
    same = sum(a == b for a, b in zip(together, alone, strict=True))
    promised = quant in PROMISED and not unified
    layout = "one pool of cells" if unified else "a context for each sequence"
    return Row(
        f"texts among {TOGETHER} equal to those alone, {'1B' if options.full else '150M'} {quant}, {layout}",
        "all" if promised else "",
        f"{same} of {TOGETHER}",
        same == TOGETHER if promised else None,
        f"{tokens} tokens, greedy" if promised else f"{tokens} tokens, greedy; nothing is promised here",
    )
