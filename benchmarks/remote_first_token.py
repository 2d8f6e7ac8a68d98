"""What modelhub adds to the first token of a provider, beside httpx asked by hand, in the same process."""

from __future__ import annotations

import asyncio
import json
import time

from benchmarks.figure import Options, Row, Samples
from benchmarks.paced_provider import PacedProvider

GOAL_MS = 10
MODEL = "at-once-8"
WARM = 3  # the first ones import and connect
BODY = {"model": MODEL, "messages": [{"role": "user", "content": "hi"}], "stream": True,
        "stream_options": {"include_usage": True}}  # fmt: skip


def measure(options: Options) -> list[Row]:
    """The provider answers at once, on a connection that stands; asked in turn."""
    import httpx

    from modelhub.kernels.hub import Hub

    ours: list[float] = []
    by_hand: list[float] = []
    hub = Hub()
    with PacedProvider() as provider, asyncio.Runner() as loop:
        hub.providers.add("paced", base_url=f"{provider.url}/v1", key="none-needed")
        client = httpx.AsyncClient(timeout=None)

        async def first() -> float:
            began = time.perf_counter()
            async with client.stream("POST", f"{provider.url}/v1/chat/completions", json=BODY) as reply:
                lines = reply.aiter_lines()
                async for line in lines:
                    if line.startswith("data: {") and json.loads(line[6:])["choices"][0]["delta"].get("content"):
                        after = time.perf_counter() - began
                        async for _ in lines:
                            pass
                        return after
            raise RuntimeError("no text came")

        for _ in range(options.times(40) + WARM):
            began = time.perf_counter()
            response = hub.chat("hi", model=f"paced/{MODEL}")
            next(iter(response))
            ours.append(1e3 * (time.perf_counter() - began))
            response.text()
            by_hand.append(1e3 * loop.run(first()))
        loop.run(client.aclose())
    hub.close()
    mine, theirs = Samples(ours[WARM:]), Samples(by_hand[WARM:])
    added = Samples([a - b for a, b in zip(mine.values, theirs.values, strict=True)])
    return [
        Row("first token of a provider, beyond httpx by hand", f"< {GOAL_MS} ms", added.show(1, "ms"),
            added.median < GOAL_MS, "loopback, `hub.chat` to the first text; log and usage included"),
        Row("first token through `hub.chat`", "", mine.show(1, "ms"), None, "as above"),
        Row("first token by hand", "", theirs.show(1, "ms"), None,
            f"peer: `httpx.AsyncClient` {httpx.__version__}, its lines parsed with `json`, same process, same body"),
    ]  # fmt: skip
