"""What unloading gives back of the memory that loading took, and what stays in the kernel, over 50 rounds."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import psutil  # type: ignore[import-untyped]  # psutil ships no types

from benchmarks.cached_models import small, words
from benchmarks.figure import Options, Row, Samples
from benchmarks.isolated import Isolated

SHARE = 0.98
GROWTH = 1e6  # bytes
ROUNDS, FIRST = 50, 5  # rounds; after the first of them the kernel has imported all it needs
CONTEXT = 1024

Round = tuple[int, int, int, int]  # bytes: of all before, loaded, and unloaded; of the kernel itself then


def measure(options: Options) -> list[Row]:
    """Load, ask, unload, in a process that stands for the kernel; then the same of the high-level API."""
    rounds = options.times(ROUNDS)
    path, home = str(small()), str(options.home)
    with Isolated() as kernel:
        ours = kernel.run(_ours, path, rounds, home)
    with Isolated() as process:
        peers = process.run(_peers, path, rounds)
    back, peers_back = _shares(ours), _shares(peers)
    growth, peers_growth = _growth(ours), _growth(peers)
    took = Samples([(loaded - before) / 1e6 for before, loaded, _after, _kernel in ours])
    return [
        Row("memory that unloading gives back, over what loading took, 135M Q8_0", f"≥ {SHARE:.0%}", _shown(back),
            min(back.values) >= SHARE,
            f"resident memory of the kernel and its children; {rounds} rounds of load, answer, unload, the first, in "
            f"which the kernel imports what it needs, left out; loading took {took.show(0, 'MB')}"),
        Row("growth of the kernel over them", f"< {GROWTH / 1e6:g} MB", f"{growth / 1e6:.2f} MB", growth < GROWTH,
            f"resident memory after round {len(ours)} less that after round {min(FIRST, len(ours))}"),
        Row("the same share, the high-level API", "", _shown(peers_back), None,
            f"peer: `llama_cpp.Llama` and `close()` in one process, which grew by {peers_growth / 1e6:.2f} MB"),
    ]  # fmt: skip


def _shown(share: Samples) -> str:
    return Samples([100 * value for value in share.values]).show(1, "%")


def _shares(rounds: list[Round]) -> Samples:
    return Samples([(loaded - after) / (loaded - before) for before, loaded, after, _kernel in rounds[1:] or rounds])


def _growth(rounds: list[Round]) -> int:
    return rounds[-1][3] - rounds[min(FIRST, len(rounds)) - 1][3]


def _held() -> tuple[int, int]:
    """Resident memory of this process, and of it and its children, in bytes."""
    own = psutil.Process()
    kernel = int(own.memory_info().rss)
    return kernel, kernel + sum(int(child.memory_info().rss) for child in own.children(recursive=True))


def _ours(path: str, rounds: int, home: str) -> list[Round]:
    os.environ |= {"MODELHUB_HOME": home, "MODELHUB_PLACES": "none", "MODELHUB_PLUGINS": "off"}
    import modelhub

    hub, found = modelhub.hub(), []
    for turn in range(rounds):
        _kernel, before = _held()
        hub.load(path, context=CONTEXT)
        hub.chat(words(32, turn), model=path, temperature=0, max_tokens=4).text()
        _kernel, loaded = _held()
        hub.unload(path)
        kernel, after = _held()
        found.append((before, loaded, after, kernel))
    return found


def _peers(path: str, rounds: int) -> list[Round]:
    from llama_cpp import Llama

    found = []
    messages: list[Any] = [{"role": "user", "content": words(32)}]
    for _turn in range(rounds):
        _kernel, before = _held()
        llama = Llama(str(Path(path)), n_ctx=CONTEXT, verbose=False)
        llama.create_chat_completion(messages, temperature=0.0, max_tokens=4)
        _kernel, loaded = _held()
        llama.close()
        del llama
        kernel, after = _held()
        found.append((before, loaded, after, kernel))
    return found
