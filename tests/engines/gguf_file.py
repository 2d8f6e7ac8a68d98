"""A GGUF taken apart, changed and put together again: how the tests make files that no writer would write."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any

SCALARS = {"u8": 0, "i8": 1, "u16": 2, "i16": 3, "u32": 4, "i32": 5, "f32": 6, "bool": 7, "u64": 10, "i64": 11,
           "f64": 12}  # fmt: skip
FORMS = {0: "<B", 1: "<b", 2: "<H", 3: "<h", 4: "<I", 5: "<i", 6: "<f", 7: "<?", 10: "<Q", 11: "<q", 12: "<d"}
TEXT, ARRAY = 8, 9


@dataclass
class Tensor:
    """What the header says of one tensor."""

    name: bytes
    extents: list[int]
    kind: int
    offset: int


class GgufFile:
    """The pairs, tensors and data of a GGUF; `pairs` maps a key to (type, the bytes behind the type)."""

    def __init__(self, source: Path | bytes) -> None:
        self._raw, self._at = source if isinstance(source, bytes) else source.read_bytes(), 8
        tensors, pairs = self._take("<Q"), self._take("<Q")
        self.pairs: dict[str, tuple[int, bytes]] = {}
        for _ in range(pairs):
            key = self._text().decode()
            kind = self._take("<I")
            begin = self._at
            self._skip(kind)
            self.pairs[key] = (kind, self._raw[begin : self._at])
        self.tensors = [self._tensor() for _ in range(tensors)]
        self.data = self._raw[-(-self._at // 32) * 32 :]

    def set(self, key: str, kind: str, value: Any) -> GgufFile:
        """Set a pair. `kind` is a scalar's name, `text` (bytes), `texts`, or a scalar's name and `s` for an array."""
        if kind in SCALARS:
            self.pairs[key] = (SCALARS[kind], struct.pack(FORMS[SCALARS[kind]], value))
        elif kind == "text":
            self.pairs[key] = (TEXT, text(value))
        elif kind == "texts":
            self.pairs[key] = (ARRAY, struct.pack("<IQ", TEXT, len(value)) + b"".join(map(text, value)))
        else:
            item = SCALARS[kind.removesuffix("s")]
            packed = b"".join(struct.pack(FORMS[item], v) for v in value)
            self.pairs[key] = (ARRAY, struct.pack("<IQ", item, len(value)) + packed)
        return self

    def tokens(self) -> list[bytes]:
        """The texts of the vocabulary."""
        self._raw, self._at = self.pairs["tokenizer.ggml.tokens"][1], 4
        return [self._text() for _ in range(self._take("<Q"))]

    def tensor(self, name: str) -> Tensor:
        """The tensor called `name`; what is changed of it is written."""
        return next(t for t in self.tensors if t.name == name.encode())

    def write(self, path: Path) -> Path:
        """Write the file as it stands now, whatever it has become."""
        out = b"GGUF" + struct.pack("<IQQ", 3, len(self.tensors), len(self.pairs))
        for key, (kind, value) in self.pairs.items():
            out += text(key.encode()) + struct.pack("<I", kind) + value
        for t in self.tensors:
            out += text(t.name) + struct.pack(f"<I{len(t.extents)}QIQ", len(t.extents), *t.extents, t.kind, t.offset)
        path.write_bytes(out + b"\0" * (-len(out) % 32) + self.data)
        return path

    def _take(self, form: str) -> Any:
        (value,) = struct.unpack_from(form, self._raw, self._at)
        self._at += struct.calcsize(form)
        return value

    def _text(self) -> bytes:
        length = self._take("<Q")
        self._at += length
        return self._raw[self._at - length : self._at]

    def _skip(self, kind: int) -> None:
        if kind == TEXT:
            self._text()
        elif kind == ARRAY:
            item, count = self._take("<I"), self._take("<Q")
            for _ in range(count):
                self._skip(item)
        else:
            self._take(FORMS[kind])

    def _tensor(self) -> Tensor:
        name, dimensions = self._text(), self._take("<I")
        extents = [self._take("<Q") for _ in range(dimensions)]
        return Tensor(name, extents, self._take("<I"), self._take("<Q"))


def text(raw: bytes) -> bytes:
    """A text as a GGUF holds it: its length, then its bytes."""
    return struct.pack("<Q", len(raw)) + raw
