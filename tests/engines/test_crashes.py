"""A worker that dies takes nothing with it: the answer it was writing ends in one line, the next starts another."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from modelhub.errors import EngineCrashed
from modelhub.kernels import background
from modelhub.kernels.hub import Hub

ENDLESS = {"temperature": 0, "logit_bias": {0: -100, 1: -100, 2: -100}}
SECONDS = 60.0

PARENT = """
import sys, modelhub
hub = modelhub.hub()
response = hub.chat("hi", model=sys.argv[1], logit_bias={0: -100, 1: -100, 2: -100})
next(iter(response))
print(hub.engine(sys.argv[1]).pid, flush=True)
sys.stdin.read()
"""


def gone(pid: int) -> bool:
    """Whether a process ends within the limit; a zombie has ended."""
    end = time.monotonic() + SECONDS
    while time.monotonic() < end:
        try:
            if Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z":
                return True
        except OSError:
            return True
        time.sleep(0.01)  # there is no event to wait for: the process is no child of ours
    return False


def test_killed_while_it_answers(own_hub: Hub, long_gguf: Path) -> None:
    """Every answer under way ends in EngineCrashed, in one line, what came kept; the next has a new worker."""
    path = str(long_gguf)
    responses = [own_hub.chat(f"go on {i}", model=path, **ENDLESS) for i in range(3)]
    first = [next(iter(r)) for r in responses]
    pid = own_hub.engine(path).pid
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    for response, text in zip(responses, first, strict=True):
        with pytest.raises(EngineCrashed) as caught:
            response.text()
        message = str(caught.value)
        assert message.startswith("the worker of long died (signal 9) while it answered") and "\n" not in message
        assert response.partial().startswith(text)
    assert own_hub.chat("hi", model=path, max_tokens=3, **ENDLESS).text()
    assert own_hub.engine(path).pid not in (None, pid)


def test_killed_while_idle(own_hub: Hub, random_gguf: Path) -> None:
    """A worker killed while nobody asks is replaced without a word, however soon the next question comes."""
    path = str(random_gguf)
    pids = set()
    for _ in range(3):
        assert own_hub.chat("hi", model=path, max_tokens=3, **ENDLESS).text()
        pid = own_hub.engine(path).pid
        assert pid is not None
        pids.add(pid)
        os.kill(pid, signal.SIGKILL)
    assert own_hub.chat("hi", model=path, max_tokens=3, **ENDLESS).text()
    assert len(pids) == 3


def test_unloading_and_closing_end_the_process(own_hub: Hub, random_gguf: Path, long_gguf: Path) -> None:
    """After unload, and after close, the processes are gone, also in the middle of an answer; the hub still works."""
    path = str(random_gguf)
    own_hub.load(path)
    pid = own_hub.engine(path).pid
    assert pid is not None and own_hub.unload(path)
    assert not Path(f"/proc/{pid}").exists()
    assert (own_hub.engine(path).state, own_hub.unload(path), own_hub.status()) == ("downloaded", False, [])
    endless = own_hub.chat("hi", model=str(long_gguf), **ENDLESS)
    next(iter(endless))
    busy = own_hub.engine(str(long_gguf)).pid
    own_hub.close()
    assert not Path(f"/proc/{busy}").exists()
    with pytest.raises(EngineCrashed, match="was ended while it answered"):
        endless.text()
    assert own_hub.chat("hi", model=path, max_tokens=2, **ENDLESS).text()


def test_a_kernel_that_is_killed_leaves_no_worker(long_gguf: Path) -> None:
    """The worker of a process that was killed ends by itself, in the middle of an answer too."""
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT, str(long_gguf)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    with parent:
        assert parent.stdout is not None
        worker = int(parent.stdout.readline())
        assert Path(f"/proc/{worker}").exists()
        parent.kill()
    assert gone(worker)


def test_asking_for_the_status_and_giving_up_harms_nothing(own_hub: Hub, long_gguf: Path) -> None:
    """A status that nobody waits for any more does not make the kernel deaf to the worker."""
    path = str(long_gguf)
    endless = own_hub.chat("hi", model=path, **ENDLESS)
    next(iter(endless))
    for _ in range(20):
        background.submit(own_hub.engine(path).status()).cancel()
        asked = background.submit(own_hub.engine(path).status())
        background.loop().call_soon_threadsafe(asked.cancel)
    assert own_hub.chat("hi", model=path, max_tokens=2, **ENDLESS).text()
    assert len(own_hub.status()) == 1
    endless.stop()
    assert endless.wait(SECONDS)


def test_the_worker_knows_no_secret(own_hub: Hub, random_gguf: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of the kernel's environment a worker has what it needs to run, and no key."""
    for name in ("OPENAI_API_KEY", "ANTHROPIC_API_KEY", "HF_TOKEN", "AWS_SECRET_ACCESS_KEY", "MY_PASSWORD"):
        monkeypatch.setenv(name, "s3cret-value")
    monkeypatch.setenv("OMP_WAIT_POLICY", "passive")
    own_hub.load(str(random_gguf))
    environment = Path(f"/proc/{own_hub.engine(str(random_gguf)).pid}/environ").read_bytes()
    assert b"s3cret-value" not in environment
    names = {line.split(b"=")[0].decode() for line in environment.split(b"\0") if line}
    assert {"PATH", "OMP_WAIT_POLICY", "GGML_NO_BACKTRACE"} <= names
    assert not [n for n in names if "KEY" in n or "TOKEN" in n or "SECRET" in n]


def test_a_worker_that_hangs_is_replaced(own_hub: Hub, long_gguf: Path) -> None:
    """A stop is answered though the worker is not, and a worker that stays silent is ended: the next one answers."""
    path = str(long_gguf)
    response = own_hub.chat("go on", model=path, **ENDLESS)
    next(iter(response))
    pid = own_hub.engine(path).pid
    assert pid is not None
    os.kill(pid, signal.SIGSTOP)
    response.stop()
    assert response.wait(SECONDS) and response.interrupted
    assert gone(pid)
    assert own_hub.chat("hi", model=path, max_tokens=3, **ENDLESS).text()
