"""256 answers at once from one kernel: the CPU it takes, whether each gets its share, what memory grows."""

from __future__ import annotations

import asyncio
import json
import time
from dataclasses import dataclass
from typing import Any

from benchmarks.figure import Options, Row, Samples
from benchmarks.isolated import Isolated
from benchmarks.paced_provider import PacedProvider, text
from benchmarks.timed_kernel import TimedKernel

STREAMS, RATE = 256, 50
GOAL_CORE = 0.6
GOAL_SHARE = 0.8  # below that the slowest stream would starve
GOAL_MB = 8.0

# What runs in the kernel. Facts of one run: seconds, characters of each answer at two moments while all of them come,
# and bytes the process has once the answers are let go.
SETUP = """
import gc, json, time, modelhub, psutil
hub, me = modelhub.hub(), psutil.Process()
hub.providers.add("paced", base_url={url!r}, key="none-needed")
def run(count):
    cpu, began = time.process_time(), time.monotonic()
    responses = [hub.chat("hi", model=f"paced/paced-{rate}-{{count}}") for _ in range({streams})]
    moments = []
    for part in (0.3, 0.8):
        time.sleep(max(0.0, began + part * count / {rate} - time.monotonic()))
        moments.append([r.size for r in responses])
    texts = {{r.text() for r in responses}}
    wall, cpu = time.monotonic() - began, time.process_time() - cpu
    del responses
    gc.collect()
    return {{"wall": wall, "cpu": cpu, "moments": moments, "texts": sorted(texts),
             "after": me.memory_info().rss}}
run({count})  # imports, connections, and what the allocator keeps for answers of this length
"""


@dataclass(frozen=True)
class Run:
    """All streams of one client: seconds of CPU and of time, and whether every text came whole."""

    cpu: float
    wall: float
    whole: bool

    def how(self, count: int) -> str:
        """What it took a token, which a busy machine changes less."""
        came = "" if self.whole else ", **not all of it whole**"
        return f"{1e6 * self.cpu / count / STREAMS:.0f} µs a token; read in {self.wall:.1f} s{came}"


def measure(options: Options) -> list[Row]:
    """The same provider, which sends each token in a write of its own, asked by each client in a process of its own."""
    count = RATE * (20 if options.full else 8)
    with PacedProvider() as provider:
        with TimedKernel(options) as kernel:
            kernel.timed(SETUP.format(url=f"{provider.url}/v1", streams=STREAMS, rate=RATE, count=count))
            seconds = 6 * count / RATE + 60
            runs = [kernel.data(f"print(json.dumps(run({count})))", seconds) for _ in range(options.times(3))]
        with Isolated() as process:
            process.run(_by_hand, provider.url, RATE, 5)
            by_hand = process.run(_by_hand, provider.url, RATE, count)
        with Isolated() as process:
            process.run(_by_sdk, provider.url, RATE, 5)
            by_sdk = process.run(_by_sdk, provider.url, RATE, count)
    import httpx
    import openai

    core = Samples([run["cpu"] / run["wall"] for run in runs])
    slowest = Samples([_slowest(*run["moments"]) for run in runs])
    whole = sum(run["texts"] == [text(count)] for run in runs)
    grown = (runs[-1]["after"] - runs[0]["after"]) / 1e6
    how = f"{STREAMS} streams of {count} tokens, {RATE} a second each, sent in {count / RATE:g} s"
    return [
        Row(f"CPU of a kernel with {STREAMS} streams", f"< {GOAL_CORE:g} of a core", core.show(2),
            core.median < GOAL_CORE,
            f"{how}; all of it: `hub.chat`, log, usage; "
            + Run(runs[0]["cpu"], runs[0]["wall"], True).how(count)),
        Row("tokens of the slowest stream over the middle one's", f"≥ {GOAL_SHARE:g}", slowest.show(2),
            slowest.median >= GOAL_SHARE, "in the middle half of the time: none starves"),
        Row("runs in which every answer came whole", "all", f"{whole} of {len(runs)}", whole == len(runs),
            f"{STREAMS} texts a run"),
        Row("memory grown from the first run to the last", f"≤ {GOAL_MB:g} MB", f"{grown:.1f} MB", grown <= GOAL_MB,
            "answers let go, after a run as long that is not counted"),
        Row("the same, httpx by hand", "", f"{by_hand.cpu / by_hand.wall:.2f}", None,
            f"peer: `httpx.AsyncClient` {httpx.__version__}, `aiter_lines` and `json`; {by_hand.how(count)}"),
        Row("the same, the openai SDK", "", f"{by_sdk.cpu / by_sdk.wall:.2f}", None,
            f"peer: `openai.AsyncOpenAI` {openai.__version__}; {by_sdk.how(count)}"),
    ]  # fmt: skip


def _slowest(early: list[int], late: list[int]) -> float:
    """How far the slowest stream came between two moments, over the middle one."""
    came = sorted(after - before for before, after in zip(early, late, strict=True))
    return came[0] / max(1, came[len(came) // 2])


def _by_hand(url: str, rate: int, count: int) -> Run:
    import httpx

    async def all_() -> list[str]:
        limits = httpx.Limits(max_connections=None)
        async with httpx.AsyncClient(timeout=None, limits=limits) as client:

            async def one() -> str:
                pieces = []
                body = {"model": f"paced-{rate}-{count}", "messages": [], "stream": True}
                async with client.stream("POST", f"{url}/v1/chat/completions", json=body) as reply:
                    async for line in reply.aiter_lines():
                        if line.startswith("data: {"):
                            for choice in json.loads(line[6:])["choices"]:
                                pieces.append(choice["delta"].get("content") or "")
                return "".join(pieces)

            return await asyncio.gather(*[one() for _ in range(STREAMS)])

    return _run(all_, count)


def _by_sdk(url: str, rate: int, count: int) -> Run:
    import openai

    async def all_() -> list[str]:
        async with openai.AsyncOpenAI(base_url=f"{url}/v1", api_key="none-needed", timeout=600) as client:

            async def one() -> str:
                pieces = []
                messages: Any = [{"role": "user", "content": "hi"}]
                chunks = await client.chat.completions.create(
                    model=f"paced-{rate}-{count}", messages=messages, stream=True
                )
                async for chunk in chunks:
                    for choice in chunk.choices:
                        pieces.append(choice.delta.content or "")
                return "".join(pieces)

            return await asyncio.gather(*[one() for _ in range(STREAMS)])

    return _run(all_, count)


def _run(work: Any, count: int) -> Run:
    cpu, began = time.process_time(), time.monotonic()
    texts = set(asyncio.run(work()))
    wall = time.monotonic() - began
    return Run(time.process_time() - cpu, wall, texts == {text(count)})
