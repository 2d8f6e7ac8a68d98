"""Small GGUFs for the tests of the catalogue: whole models of a few kilobytes, and what else lies beside models."""

from __future__ import annotations

import functools
import struct
import tempfile
from pathlib import Path
from typing import Any

from benchmarks.random_gguf import Shape, write
from tests.engines.gguf_file import GgufFile

TINY = Shape(layers=1, width=32, heads=2, kv_heads=1, feed=32, vocabulary=264, context=64)


@functools.cache
def whole() -> bytes:
    """A model that can be loaded."""
    with tempfile.TemporaryDirectory() as folder:
        return write(Path(folder) / "small.gguf", TINY).read_bytes()


def model(path: Path, **pairs: tuple[str, Any]) -> Path:
    """A model at `path`; no two have the same bytes. `pairs` set metadata: `general_name=("text", b"x")`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    file = GgufFile(whole())
    file.set("general.name", "text", path.name.encode())
    for key, (kind, value) in pairs.items():
        file.set(key.replace("_", ".", 1), kind, value)
    return file.write(path)


def header(path: Path, architecture: str = "llama", **pairs: tuple[str, Any]) -> Path:
    """A GGUF of nothing but metadata; names as for `model`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    file = GgufFile(b"GGUF" + struct.pack("<IQQ", 3, 0, 0))
    file.data = b""
    file.set("general.architecture", "text", architecture.encode())
    file.set("general.name", "text", path.name.encode())
    for key, (kind, value) in pairs.items():
        file.set(key.replace("_", ".", 1), kind, value)
    return file.write(path)


def projector(path: Path, width: int = 32) -> Path:
    """An mmproj file for models that hold a token in `width` values."""
    file = GgufFile(header(path, "clip"))
    file.data = b""
    return file.set("clip.vision.projection_dim", "u32", width).write(path)


def adapter(path: Path) -> Path:
    """A LoRA adapter for models of the architecture llama."""
    return header(path, general_type=("text", b"adapter"))


def split(folder: Path, stem: str, parts: int = 3) -> list[Path]:
    """A model in several files, as llama-gguf-split writes it: metadata in the first, tensors in all."""
    folder.mkdir(parents=True, exist_ok=True)
    source = GgufFile(whole())
    per = -(-len(source.tensors) // parts)
    ends = [*(t.offset for t in source.tensors[1:]), len(source.data)]
    paths = []
    for number in range(parts):
        part = GgufFile(b"GGUF" + struct.pack("<IQQ", 3, 0, 0))
        if number == 0:
            part.pairs = dict(source.pairs)
        part.set("split.no", "u16", number).set("split.count", "u16", parts)
        part.set("split.tensors.count", "i32", len(source.tensors))
        part.tensors, part.data = [], b""
        for index in range(number * per, min((number + 1) * per, len(source.tensors))):
            tensor = source.tensors[index]
            raw = source.data[tensor.offset : ends[index]]
            tensor.offset = len(part.data)
            part.tensors.append(tensor)
            part.data += raw + b"\0" * (-len(raw) % 32)
        paths.append(part.write(folder / f"{stem}-{number + 1:05}-of-{parts:05}.gguf"))
    return paths
