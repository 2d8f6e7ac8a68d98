"""Sixteen clients with whole requests, prompts included: tokens per second of CPU over llama-server's."""

from __future__ import annotations

from benchmarks.cached_models import small, words
from benchmarks.figure import Options, Row, Samples
from benchmarks.high_level import HighLevel
from benchmarks.llama_server import LlamaServer
from benchmarks.lone_worker import LoneWorker, Question
from benchmarks.timed_kernel import cpu_of

CLIENTS, PROMPT, TOKENS = 16, 32, 64
CONTEXT = 256
GOAL = 1.0


def measure(options: Options) -> list[Row]:
    """All clients ask at once, a round of both in turn; the high-level API, one after another, once."""
    ours: list[float] = []
    peer: list[float] = []
    flash: list[float] = []
    load = {"context": CONTEXT, "slots": CLIENTS, "threads": 1}
    with (
        LoneWorker(small(), **load) as worker,
        LoneWorker(small(), flash_attn="on", **load) as with_flash,
        LlamaServer(small(), 1, CLIENTS, CONTEXT) as server,
    ):

        def ask_worker(prompts: list[str]) -> None:
            for asked, rates in ((worker, ours), (with_flash, flash)):
                before = cpu_of(asked.pid)
                got = asked.ask_all([Question(p, {"temperature": 0, "max_tokens": TOKENS}) for p in prompts])
                rates.append(sum(a.tokens for a in got) / (cpu_of(asked.pid) - before))

        def ask_server(prompts: list[str]) -> None:
            before = server.cpu
            peer.append(server.ask_all(prompts, TOKENS) / (server.cpu - before))

        for turn in range(options.times(5) + 1):
            prompts = [words(PROMPT, CLIENTS * turn + number) for number in range(CLIENTS)]
            for ask in (ask_worker, ask_server) if turn % 2 else (ask_server, ask_worker):
                ask(prompts)
    del ours[0], flash[0], peer[0]
    with HighLevel(small(), n_ctx=CONTEXT, n_threads=1, n_threads_batch=1) as high_level:
        before = cpu_of(high_level.pid)
        for number in range(4):
            high_level.times([{"role": "user", "content": words(PROMPT, number)}], TOKENS)
        alone = 4 * TOKENS / (cpu_of(high_level.pid) - before)
    ratio = Samples(ours).over(Samples(peer))
    return [
        Row(f"whole requests, {CLIENTS} clients, 135M Q8_0, over llama-server", f"≥ {GOAL:g}", ratio.show(2),
            ratio.median >= GOAL,
            f"tokens a second of the process's CPU, prompts of {PROMPT} included, {TOKENS} tokens each, one "
            f"thread each, for several burn CPU waiting: {Samples(ours).show(0)}; peer, -np {CLIENTS}, not streamed: "
            f"{Samples(peer).show(0)}"),
        Row("the same with flash attention on, as llama-server has it", f"≥ {GOAL:g}",
            (alike := Samples(flash).over(Samples(peer))).show(2), alike.median >= GOAL,
            f"off by default on a CPU, where it makes long histories slow: {Samples(flash).show(0)}"),
        Row("the same over the high-level API", "", f"{Samples(ours).median / alone:.2f}", None,
            f"peer: `llama_cpp.Llama`, one after another: {alone:.0f}"),
    ]  # fmt: skip
