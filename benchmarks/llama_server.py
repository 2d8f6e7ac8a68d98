"""The peer of whole requests: llama-server on the loopback, one slot for every client."""

from __future__ import annotations

import json
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from benchmarks.peers import NoPeer, program
from benchmarks.timed_kernel import cpu_of

START_SECONDS = 60.0


class LlamaServer:
    """A running llama-server with one model; its other options as they come."""

    def __init__(self, model: Path, threads: int, slots: int, context: int) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self._url = f"http://127.0.0.1:{free.getsockname()[1]}"
        port = self._url.rpartition(":")[2]
        self._slots = slots
        self._process = subprocess.Popen(
            [program("llama-server"), "-m", model, "-t", str(threads), "-np", str(slots), "-c", str(slots * context),
             "--host", "127.0.0.1", "--port", port, "--log-disable"],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        try:
            self._wait()
        except BaseException:
            self.__exit__()
            raise

    def __enter__(self) -> LlamaServer:
        return self

    def __exit__(self, *_raised: object) -> None:
        self._process.kill()
        self._process.wait()

    @property
    def cpu(self) -> float:
        """Seconds of CPU it has used."""
        return cpu_of(self._process.pid)

    def ask_all(self, prompts: Sequence[str], tokens: int) -> int:
        """One whole (not streamed) greedy chat completion for each prompt, all at once; the tokens drawn in all."""
        with ThreadPoolExecutor(len(prompts)) as clients:
            return sum(clients.map(lambda prompt: self._ask(prompt, tokens), prompts))

    def _ask(self, prompt: str, tokens: int) -> int:
        body = {"messages": [{"role": "user", "content": prompt}], "temperature": 0, "max_tokens": tokens}
        request = urllib.request.Request(
            f"{self._url}/v1/chat/completions", json.dumps(body).encode(), {"Content-Type": "application/json"}
        )
        with urllib.request.urlopen(request) as reply:
            return int(json.load(reply)["usage"]["completion_tokens"])

    def _wait(self) -> None:
        end = time.monotonic() + START_SECONDS
        while time.monotonic() < end:
            if self._process.poll() is not None:
                raise NoPeer(f"llama-server ended with {self._process.returncode} while it started")
            try:
                with urllib.request.urlopen(f"{self._url}/health"):
                    return
            except (urllib.error.URLError, ConnectionError):
                time.sleep(0.1)
        raise NoPeer(f"llama-server was not ready in {START_SECONDS:g} seconds")
