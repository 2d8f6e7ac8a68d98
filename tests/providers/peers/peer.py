"""A server of somebody else's, in a process of its own, for as long as a `with` lasts."""

from __future__ import annotations

import re
import subprocess
import sys
import threading
from importlib.resources import files
from pathlib import Path

TINY_CHAT = files("modelhub.kernels") / "models" / "tiny-chat.gguf"
CONTEXT = 512  # tokens
SECONDS = 60.0  # the most a peer may take to start on a slow machine
SAYS_WHERE = re.compile(rb"running on (http://127\.0\.0\.1:\d+)")

COMMANDS = {
    "llama_cpp.server": ["-m", "llama_cpp.server", "--model", str(TINY_CHAT), "--model_alias", "tiny-chat",
                         "--n_ctx", str(CONTEXT), "--n_threads", "1", "--host", "127.0.0.1", "--port", "0"],
    "xllamacpp": [str(Path(__file__).with_name("llama_server.py")), str(TINY_CHAT), str(CONTEXT)],
}  # fmt: skip


class Peer:
    """One server with tiny-chat; it chooses its port, and is ready when it says which."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._said: list[bytes] = []
        self._ready = threading.Event()
        self._process = subprocess.Popen(
            [sys.executable, *COMMANDS[name]], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        self._ready.wait(SECONDS)
        found = SAYS_WHERE.search(b"".join(self._said))
        if found is None:
            self.stop()
            raise RuntimeError(f"{name} did not say where it listens: {b''.join(self._said)[-2000:].decode()}")
        self.url = found[1].decode()

    def __enter__(self) -> Peer:
        return self

    def __exit__(self, *_raised: object) -> None:
        self.stop()

    def stop(self) -> None:
        """End it, and wait until it has ended."""
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.close()
        self._process.terminate()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._reader.join()
        self._process.stdout.close()

    def _read(self) -> None:
        """Read what it prints to its end, so that it never waits for a full pipe."""
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self._said.append(line)
            if SAYS_WHERE.search(line):
                self._ready.set()
        self._ready.set()
