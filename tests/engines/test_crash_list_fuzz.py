"""Two hundred files with something changed by chance: each answers or is an error in one line, and the hub lives."""

from __future__ import annotations

import contextlib
import random
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from benchmarks.random_gguf import Shape, write
from modelhub.errors import HubError
from modelhub.kernels.hub import Hub
from tests.engines.gguf_file import FORMS, GgufFile

COUNT = 200
FIRST = 0  # the seed of the first file; the others follow
AT_ONCE = 4
SECONDS = 60.0  # the most one file may take on a slow machine; each takes half a second
SMALL = Shape(layers=1, width=32, heads=2, kv_heads=1, feed=32, vocabulary=264)
ODD = (
    0,
    1,
    2,
    7,
    8,
    31,
    32,
    33,
    127,
    128,
    255,
    256,
    2**15,
    2**16,
    10**6,
    2**31 - 1,
    2**31,
    2**32 - 1,
    2**63,
    2**64 - 1,
)
KINDS = ("bytes", "bytes", "number", "number", "number", "length", "tensor", "cut", "data")


def changed(raw: bytes, path: Path, source: random.Random) -> str:
    """Write a changed copy of the file `raw` at `path`; the change in words."""
    kind = source.choice(KINDS)
    file = GgufFile(raw)
    if kind == "number":
        key = source.choice([k for k, (form, _) in file.pairs.items() if form in FORMS])
        form, value = file.pairs[key]
        new = source.choice([source.randbytes(len(value)), source.choice(ODD).to_bytes(8, "little")[: len(value)]])
        file.pairs[key] = (form, new.ljust(len(value), b"\0"))
        file.write(path)
        return f"{key}: {value!r} became {new!r}"
    if kind == "length":
        key = source.choice([k for k, (form, _) in file.pairs.items() if form not in FORMS])
        form, value = file.pairs[key]
        at, new = source.choice([0, 4]), source.choice(ODD).to_bytes(8, "little")
        file.pairs[key] = (form, value[:at] + new + value[at + 8 :])
        file.write(path)
        return f"{key}: bytes {at} to {at + 8} became {new!r}"
    if kind == "tensor":
        tensor = source.choice(file.tensors)
        field = source.choice(["kind", "offset", "extent"])
        if field == "extent":
            tensor.extents[source.randrange(len(tensor.extents))] = source.choice(ODD)
        elif field == "offset":
            tensor.offset = source.choice(ODD)
        else:
            tensor.kind = source.randrange(45)
        file.write(path)
        return f"{tensor}"
    new_raw = bytearray(raw)
    header = len(raw) - len(file.data)
    if kind == "cut":
        del new_raw[source.randrange(len(raw)) :]
    for _ in range(0 if kind == "cut" else source.choice([1, 2, 8])):
        at = source.randrange(header, len(raw)) if kind == "data" else source.choice([24, 1000, header]) - 1
        new_raw[source.randint(0, at) if kind == "bytes" else at] = source.randrange(256)
    path.write_bytes(new_raw)
    return f"{kind} changed"


def test_two_hundred_changed_files(own_hub: Hub, tmp_path: Path) -> None:
    """None hangs, none ends the hub, every error is one line; beside them a sound model goes on answering."""
    raw = write(tmp_path / "sound.gguf", SMALL).read_bytes()
    sound = str(tmp_path / "sound.gguf")
    expected = own_hub.chat("hi", model=sound, max_tokens=8, temperature=0).text()
    pid = own_hub.engine(sound).pid

    def ask(number: int) -> str:
        path = tmp_path / f"{number}.gguf"
        change = changed(raw, path, random.Random(FIRST + number))
        try:
            response = own_hub.chat("hi", model=str(path), max_tokens=3, logprobs=True, top_logprobs=20)
            assert response.wait(SECONDS), f"file {number} hangs: {change}"
            response.text()
        except HubError as error:
            assert "\n" not in str(error) and len(str(error)) < 600, f"file {number}: {change}"
            return type(error).__name__
        finally:
            with contextlib.suppress(HubError):
                own_hub.unload(str(path))
            path.unlink()
        return "answer"

    with ThreadPoolExecutor(AT_ONCE) as pool:
        came = Counter(pool.map(ask, range(COUNT)))
    assert came["answer"] > COUNT / 10 and came["ModelFileError"] > COUNT / 4, came
    assert came["EngineCrashed"] < COUNT / 20, came
    assert own_hub.chat("hi", model=sound, max_tokens=8, temperature=0).text() == expected
    assert own_hub.engine(sound).pid == pid
