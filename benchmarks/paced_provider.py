"""A provider on the loopback that sends at a given pace: `python -m benchmarks.paced_provider`, until stdin ends.

It is cheap, so that it takes little of what is measured: one process, one loop, bytes made beforehand. The model's name
says what comes: `paced-RATE-COUNT` sends COUNT tokens, RATE of them a second, each in a write of its own,
`at-once-COUNT` all of them in one; any other name is `paced-50-115`. A reply that is not to be streamed comes when its
last token would have. `GET /sent` gives when the first token of each answer was due, oldest first, by the clock that
`time.monotonic` reads in every process of a machine (https://docs.python.org/3/library/time.html#time.monotonic).
"""

from __future__ import annotations

import asyncio
import json
import re
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

WORDS = (
    "zephyrs",
    "say",
    "it",
    "in",
    "short",
    "words,",
    "and",
    "now",
    "or",
    "then",
    "a",
    "longer",
    "one",
    "between",
    "them",
)
OTHERS = "paced-50-115"
PHASES = 8  # streams do not tick together, as those of many users would not
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
ASKED = re.compile(r"(paced|at-once)-(?:(\d+)-)?(\d+)$")


def word(number: int) -> str:
    """The text of a token."""
    return " " + WORDS[number % len(WORDS)]


def text(count: int) -> str:
    """The text of an answer."""
    return "".join(map(word, range(count)))


def _event(choices: list[dict[str, object]], **more: object) -> bytes:
    body = {"id": "chatcmpl-B9MBs8CjcvOU2jLn4n570S5qMJKcT", "object": "chat.completion.chunk", "created": 1741569952,
            "model": "gpt-x-2026-08-06", "service_tier": "default", "system_fingerprint": "fp_50cad350e4",
            "choices": choices, **more}  # fmt: skip
    data = b"data: " + json.dumps(body, separators=(",", ":")).encode() + b"\n\n"
    return b"%x\r\n%s\r\n" % (len(data), data)


def _delta(delta: dict[str, str], finish: str | None = None) -> bytes:
    return _event([{"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}])


ROLE = _delta({"role": "assistant", "content": ""})
TOKENS = [_delta({"content": word(n)}) for n in range(len(WORDS))]


def _end(count: int) -> bytes:
    usage = {"prompt_tokens": 9, "completion_tokens": count, "total_tokens": count + 9}
    done = b"data: [DONE]\n\n"
    return _delta({}, "stop") + _event([], usage=usage) + b"%x\r\n%s\r\n0\r\n\r\n" % (len(done), done)


class _Stream:
    """One answer that is being sent."""

    __slots__ = ("count", "due", "every", "left", "sent", "writer")

    def __init__(self, writer: asyncio.StreamWriter, every: float, count: int, phase: float) -> None:
        self.writer, self.every, self.count = writer, every, count
        self.sent, self.due = 0, time.monotonic() + phase
        self.left = asyncio.get_running_loop().create_future()


class Server:
    """The server's side."""

    def __init__(self) -> None:
        self._streams: list[_Stream] = []
        self._sent: list[float] = []
        self._phase = 0
        self._ticker: asyncio.Task[None] | None = None

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer the requests of one connection."""
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                length = re.search(rb"(?i)\r\ncontent-length: *(\d+)", head)
                body = await reader.readexactly(int(length[1]) if length else 0)
                path = head.split(b" ", 2)[1].decode()
                if path == "/sent":
                    self._whole(writer, self._sent)
                elif path.endswith("/models"):
                    self._whole(writer, {"object": "list", "data": [{"id": "paced-50-100", "object": "model"}]})
                else:
                    await self._answer(writer, json.loads(body))
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    def _whole(self, writer: asyncio.StreamWriter, value: object) -> None:
        data = json.dumps(value).encode()
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s"
                     % (len(data), data))  # fmt: skip

    async def _answer(self, writer: asyncio.StreamWriter, asked: dict[str, str]) -> None:
        found = ASKED.search(asked["model"]) or ASKED.search(OTHERS)
        assert found is not None
        count, every = int(found[3]), 1 / float(found[2] or 50)
        if not asked.get("stream"):
            self._sent.append(time.monotonic())
            await asyncio.sleep(0 if found[1] == "at-once" else every * count)
            message = {"role": "assistant", "content": text(count)}
            self._whole(writer, {"id": "x", "object": "chat.completion", "created": 1, "model": asked["model"],
                                 "choices": [{"index": 0, "message": message, "finish_reason": "stop"}]})  # fmt: skip
            return
        if found[1] == "at-once":
            tokens = b"".join(TOKENS[n % len(TOKENS)] for n in range(count))
            self._sent.append(time.monotonic())
            writer.write(HEAD + ROLE + tokens + _end(count))
            return
        writer.write(HEAD + ROLE)
        self._phase += 1
        stream = _Stream(writer, every, count, every * (self._phase % PHASES) / PHASES)
        self._streams.append(stream)
        if self._ticker is None or self._ticker.done():
            self._ticker = asyncio.create_task(self._tick())
        await stream.left

    async def _tick(self) -> None:
        """Send what is due, until no stream is left."""
        while self._streams:
            now = time.monotonic()
            for stream in [s for s in self._streams if s.due <= now]:
                if stream.writer.is_closing():
                    stream.sent = stream.count
                elif stream.sent < stream.count:
                    if stream.sent == 0:
                        self._sent.append(time.monotonic())
                    stream.writer.write(TOKENS[stream.sent % len(TOKENS)])
                    stream.sent += 1
                    stream.due += stream.every
                if stream.sent == stream.count:
                    stream.writer.write(_end(stream.count))
                    self._streams.remove(stream)
                    stream.left.set_result(None)
            if self._streams:
                await asyncio.sleep(max(0.0, min(s.due for s in self._streams) - time.monotonic()))


class PacedProvider:
    """The provider, in a process of its own, for as long as a `with` lasts."""

    def __enter__(self) -> PacedProvider:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.paced_provider"], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            cwd=Path(__file__).parent.parent,
        )  # fmt: skip
        assert self._process.stdout is not None
        self.url = self._process.stdout.readline().decode().strip()
        self.pid = self._process.pid
        return self

    def __exit__(self, *_raised: object) -> None:
        self._process.kill()
        self._process.communicate()

    def sent(self) -> list[float]:
        """When the first token of each answer was written, by `time.monotonic`."""
        with urllib.request.urlopen(f"{self.url}/sent") as reply:
            found: list[float] = json.load(reply)
            return found


async def _main() -> None:
    server = await asyncio.start_server(Server().serve, "127.0.0.1", 0, backlog=1024)
    print(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", flush=True)
    await asyncio.to_thread(sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(_main())
