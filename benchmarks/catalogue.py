"""What the catalogue costs: opening one of 1,000 models, and headers that were changed at random."""

from __future__ import annotations

import random
import shutil
import struct
import time
from pathlib import Path

import gguf

from benchmarks.figure import Options, Row, Samples
from benchmarks.isolated import Isolated
from benchmarks.mutated_gguf import inconsistent, mutated
from benchmarks.random_gguf import Shape, write
from modelhub.errors import ModelFileError
from modelhub.kernels.catalog.headers.gguf import read_header

MODELS, FAMILIES = 1000, 20
TOKENS = 32_000  # of each vocabulary
WARM_S, COLD_S, WORST_MS = 0.5, 3.0, 50
MUTATIONS, TRIES = 2000, 2
SMALL = Shape(layers=1, width=32, heads=2, kv_heads=1, feed=32, vocabulary=264)


def measure(options: Options) -> list[Row]:
    """A home of models in folders by publisher and name; a new process each time it is opened."""
    models = options.home / "models"
    try:
        paths = _models(models)
        index = options.home / "index.json"
        cold, warm, again = [], [], []
        work: dict[int, list[float]] = {id(cold): [], id(warm): []}
        for _ in range(options.times(3)):
            index.unlink(missing_ok=True)
            for into in (cold, warm):
                with Isolated() as process:
                    first, cpu, second = process.run(_open)
                into.append(first)
                work[id(into)].append(cpu)
                again.append(1e3 * second)
        peer = Samples([_peer(path) for path in paths[:: MODELS // options.times(3)]])
    finally:
        shutil.rmtree(models, ignore_errors=True)
    cold_cpu, warm_cpu = Samples(work[id(cold)]), Samples(work[id(warm)])
    ours = Samples([seconds / MODELS for seconds in cold])
    worst, refused, wrong = _fuzz(options.home / "mutated.gguf")
    return [
        Row(f"opening a catalogue of {MODELS:,} models, warm", f"≤ {WARM_S} s", Samples(warm).show(2, "s"),
            Samples(warm).median <= WARM_S, "in a new process, with the index an earlier one left, imports included; "
            f"CPU {warm_cpu.show(2, 's')}"),
        Row("the same, cold", f"≤ {COLD_S:g} s", Samples(cold).show(2, "s"), Samples(cold).median <= COLD_S,
            f"without an index, files in the page cache; {FAMILIES} vocabularies of {TOKENS:,} tokens; "
            f"CPU {cold_cpu.show(2, 's')}"),
        Row("looking again in the same process", "", Samples(again).show(0, "ms"), None, "what Tab costs"),
        Row("a header cold, over gguf's reader", "", f"{ours.median / peer.median:.4f}", None,
            f"peer: `gguf.GGUFReader`, {peer.show(2, 's')} a file; here {1e3 * ours.median:.1f} ms"),
        Row(f"the slowest of {MUTATIONS:,} mutated headers", f"≤ {WORST_MS} ms", f"{worst:.1f} ms", worst <= WORST_MS,
            f"{refused:,} refused in one line, the others read; the faster of {TRIES} tries of each"),
        Row("mutated headers read with tables that cannot be", "none", str(wrong or "none"), not wrong,
            "names, shapes, sizes and places looked at anew"),
    ]  # fmt: skip


def _models(folder: Path) -> list[Path]:
    """The models: real headers, hardly any weights."""
    paths = []
    for family in range(FAMILIES):
        first = write(folder.parent / "family.gguf", Shape(1, 32, 2, 1, 32, TOKENS, 4096), seed=family)
        raw = first.read_bytes().replace(b"word", struct.pack("<I", 0x61616161 + family))
        first.unlink()
        for number in range(MODELS // FAMILIES):
            path = folder / f"publisher{family}" / f"model{number}-GGUF" / f"model{number}-F32.gguf"
            path.parent.mkdir(parents=True)
            path.write_bytes(raw[: len(raw)])
            paths.append(path)
    return paths


def _open() -> tuple[float, float, float]:
    """Seconds to the list of all models, those of the CPU, and seconds to the same list again."""
    began, used = time.perf_counter(), time.process_time()
    from modelhub.kernels.catalog.places.places import Places

    places = Places()
    count = len(places.cards())
    first, used = time.perf_counter() - began, time.process_time() - used
    assert count == MODELS + 1, count
    began = time.perf_counter()
    places.cards()
    return first, used, time.perf_counter() - began


def _peer(path: Path) -> float:
    """Seconds of gguf's own reader."""
    began = time.perf_counter()
    gguf.GGUFReader(path)
    return time.perf_counter() - began


def _fuzz(path: Path) -> tuple[float, int, int]:
    """Milliseconds of the slowest header, how many were refused, and how many were read that cannot be."""
    whole = write(path, SMALL).read_bytes()
    source = random.Random(4)
    worst, refused, wrong = 0.0, 0, 0
    for _ in range(MUTATIONS):
        path.write_bytes(mutated(whole, source))
        seconds = []
        for _ in range(TRIES):
            began = time.perf_counter()
            try:
                header = read_header(path)
            except ModelFileError:
                header = None
            seconds.append(time.perf_counter() - began)
        worst = max(worst, min(seconds))
        refused += header is None
        wrong += header is not None and inconsistent(header, path.stat().st_size) is not None
    path.unlink()
    return 1e3 * worst, refused, wrong
