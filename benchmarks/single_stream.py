"""Tokens a second of one answer, through the worker to the response in the kernel, over llama-bench."""

from __future__ import annotations

from benchmarks import peers
from benchmarks.cached_models import one_b, words
from benchmarks.figure import Options, Row, Samples
from benchmarks.hub_model import HubModel

GOAL = 0.97
PROMPT, TOKENS = 32, 48


def measure(options: Options) -> list[Row]:
    """One quantisation, or with --full all three."""
    peers.program("llama-bench")
    return [row for quant in ("Q4_0", "Q4_K_M", "Q8_0")[: 3 if options.full else 1] for row in _rows(quant, options)]


def _rows(quant: str, options: Options) -> list[Row]:
    path = one_b(quant)
    ours: list[float] = []
    peer: list[float] = []
    with HubModel(path, context=1024, threads=options.threads) as model:
        threads = int(model.facts["threads"])

        def ask_hub() -> None:
            ours.append(model.rate(words(PROMPT, len(ours)), TOKENS))

        def ask_peer() -> None:
            peer.append(peers.bench(path, threads, TOKENS, PROMPT))

        ask_hub()
        ours.clear()
        for turn in range(options.times(7)):
            for ask in (ask_hub, ask_peer) if turn % 2 else (ask_peer, ask_hub):
                ask()
    ratio = Samples(ours).over(Samples(peer))
    return [
        Row(f"one stream, 1B {quant}, to the response, over llama-bench", f"≥ {GOAL}", ratio.show(3),
            ratio.median >= GOAL,
            f"{TOKENS} tokens after {PROMPT}, both with {threads} threads; {Samples(ours).show(1)} tokens/s; "
            f"peer, -n {TOKENS} -d {PROMPT}: {Samples(peer).show(1)}"),
    ]  # fmt: skip
