"""GGUF headers, read without llama.cpp and checked against the file's size.

Layout: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md (versions 2 and 3, little endian). A hostile or broken
header is a ModelFileError in milliseconds and never reaches a worker.
"""

from __future__ import annotations

import stat
import struct
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from modelhub.errors import ModelFileError
from modelhub.kernels.catalog.limits import impossible

MAGIC = b"GGUF"
OLD_MAGICS = {b"lmgg": "ggml", b"fmgg": "ggmf", b"tjgg": "ggjt"}
LONG_ARRAY = 64  # arrays longer than this are skipped, their length is kept
LONGEST_TEXT = 1 << 24  # bytes of one text; the longest chat templates have some ten thousand
LONGEST_LIST = 1 << 28  # bytes of all the texts of one array; large vocabularies have a few million
TOKENS = "tokenizer.ggml.tokens"

# general.file_type: the name people know each mixture by (llama.h, enum llama_ftype).
FILE_TYPES = {
    0: "F32", 1: "F16", 2: "Q4_0", 3: "Q4_1", 7: "Q8_0", 8: "Q5_0", 9: "Q5_1", 10: "Q2_K", 11: "Q3_K_S",
    12: "Q3_K_M", 13: "Q3_K_L", 14: "Q4_K_S", 15: "Q4_K_M", 16: "Q5_K_S", 17: "Q5_K_M", 18: "Q6_K",
    19: "IQ2_XXS", 20: "IQ2_XS", 21: "Q2_K_S", 22: "IQ3_XS", 23: "IQ3_XXS", 24: "IQ1_S", 25: "IQ4_NL",
    26: "IQ3_S", 27: "IQ3_M", 28: "IQ2_S", 29: "IQ2_M", 30: "IQ4_XS", 31: "IQ1_M", 32: "BF16",
    36: "TQ1_0", 37: "TQ2_0", 38: "MXFP4",
}  # fmt: skip

# Tensor types: (name, values a block, bytes a block) (ggml.h, enum ggml_type; ggml-common.h, block structs).
TENSOR_TYPES = {
    0: ("F32", 1, 4), 1: ("F16", 1, 2), 2: ("Q4_0", 32, 18), 3: ("Q4_1", 32, 20), 6: ("Q5_0", 32, 22),
    7: ("Q5_1", 32, 24), 8: ("Q8_0", 32, 34), 9: ("Q8_1", 32, 36), 10: ("Q2_K", 256, 84), 11: ("Q3_K", 256, 110),
    12: ("Q4_K", 256, 144), 13: ("Q5_K", 256, 176), 14: ("Q6_K", 256, 210), 15: ("Q8_K", 256, 292),
    16: ("IQ2_XXS", 256, 66), 17: ("IQ2_XS", 256, 74), 18: ("IQ3_XXS", 256, 98), 19: ("IQ1_S", 256, 50),
    20: ("IQ4_NL", 32, 18), 21: ("IQ3_S", 256, 110), 22: ("IQ2_S", 256, 82), 23: ("IQ4_XS", 256, 136),
    24: ("I8", 1, 1), 25: ("I16", 1, 2), 26: ("I32", 1, 4), 27: ("I64", 1, 8), 28: ("F64", 1, 8),
    29: ("IQ1_M", 256, 56), 30: ("BF16", 1, 2), 34: ("TQ1_0", 256, 54), 35: ("TQ2_0", 256, 66),
    39: ("MXFP4", 32, 17),
}  # fmt: skip

_SCALARS = {
    0: "<B",
    1: "<b",
    2: "<H",
    3: "<h",
    4: "<I",
    5: "<i",
    6: "<f",
    7: "<?",
    10: "<Q",
    11: "<q",
    12: "<d",
}
_STRING, _ARRAY = 8, 9


@dataclass(frozen=True, slots=True)
class Header:
    """What a GGUF says of itself: metadata (long arrays as `LongArray`), tensors, sizes in bytes."""

    metadata: dict[str, Any]
    tensor_count: int
    parameters: int
    quantisation: str
    size: int

    def get(self, key: str, default: Any = None) -> Any:
        """A metadata value; `{arch}` in the key is the architecture's name."""
        return self.metadata.get(key.replace("{arch}", str(self.metadata.get("general.architecture"))), default)


@dataclass(frozen=True, slots=True)
class LongArray:
    """An array too long to keep: only its length is known."""

    length: int


def read_header(path: Path) -> Header:
    """The header of the GGUF at `path`. Raises ModelFileError, one line that says what the file is and what to do."""
    try:
        status = path.stat()
    except FileNotFoundError:
        raise _bad(path, "there is no such file; check the path, or type %models to see what there is") from None
    except (OSError, ValueError) as error:
        raise _bad(path, f"it cannot be read ({error})") from None
    if stat.S_ISDIR(status.st_mode):
        inside = sorted(p.name for p in path.glob("*.gguf"))[:3]
        raise _bad(path, "it is a folder; name a .gguf file" + (f" in it, as {', '.join(inside)}" if inside else ""))
    if not stat.S_ISREG(status.st_mode):
        raise _bad(path, "it is not a regular file (a pipe, socket or device); name a .gguf file")
    try:
        with path.open("rb") as file:
            return _Reader(path, file, status.st_size).header()
    except OSError as error:
        raise _bad(path, f"it cannot be read ({error.strerror or error})") from None


class _Reader:
    """Reads one header; every length is checked against what is left of the file before it is believed."""

    def __init__(self, path: Path, file: BinaryIO, size: int) -> None:
        self.path, self.file, self.size = path, file, size

    def header(self) -> Header:
        self._check_magic()
        (version,) = self._unpack("<I")
        if version not in (2, 3):
            raise _bad(self.path, f"it is GGUF version {version}; versions 2 and 3 are read, so convert it again")
        tensor_count, pair_count = self._unpack("<QQ")
        left = self.size - self.file.tell()
        if tensor_count * 24 > left or pair_count * 12 > left:
            raise self._broken("its counts of tensors and metadata do not fit the file")
        metadata = {}
        for _ in range(pair_count):
            key = self._string()
            (kind,) = self._unpack("<I")
            metadata[key] = self._vocabulary() if key == TOKENS and kind == _ARRAY else self._value(kind)
        if not isinstance(metadata.get("general.architecture"), str):
            raise self._broken("it names no architecture")
        if wrong := impossible(metadata):
            raise self._broken(wrong)
        return self._tensors(metadata, tensor_count)

    def _tensors(self, metadata: dict[str, Any], count: int) -> Header:
        parameters, end = 0, 0
        by_type: Counter[str] = Counter()
        for _ in range(count):
            name = self._string()
            (dimensions,) = self._unpack("<I")
            if dimensions > 8:
                raise self._broken(f"tensor {name[:60]!r} has {dimensions} dimensions")
            values = 1
            for extent in self._unpack(f"<{dimensions}Q"):
                values *= extent
            kind, offset = self._unpack("<IQ")
            label, block, width = TENSOR_TYPES.get(kind, (f"type {kind}", 1, 0))
            parameters += values
            by_type[label] += values
            end = max(end, offset + values // block * width)
        alignment = metadata.get("general.alignment", 32)
        if not isinstance(alignment, int) or not 0 < alignment <= 1 << 20:
            raise self._broken("its alignment is not a sensible number")
        start = -(-self.file.tell() // alignment) * alignment
        if start + end > self.size:
            missing = start + end - self.size
            raise _bad(
                self.path,
                f"it is truncated: {missing:,} of {start + end:,} bytes are missing; download or copy it again",
            )
        kind = metadata.get("general.file_type")
        named = FILE_TYPES.get(kind) if isinstance(kind, int) else None
        quantisation = named or (by_type.most_common(1)[0][0] if by_type else "")
        return Header(metadata, count, parameters, quantisation, self.size)

    def _check_magic(self) -> None:
        magic = self.file.read(4)
        if magic == MAGIC:
            return
        if not magic:
            raise _bad(self.path, "it is empty; download or copy it again")
        if magic in OLD_MAGICS:
            raise _bad(
                self.path,
                f"it is in the old {OLD_MAGICS[magic]} format, which llama.cpp gave up in 2023; get the model as GGUF",
            )
        sample = magic + self.file.read(508)
        if _looks_like_text(sample):
            hint = "; it may be a git-lfs pointer or a web page" if b"git-lfs" in sample or b"<" in sample[:64] else ""
            raise _bad(self.path, f"it is a text file, not a GGUF{hint}; download the model itself")
        raise _bad(self.path, f"it is not a GGUF: it begins with {magic!r}, not {MAGIC!r}")

    def _value(self, kind: int) -> Any:
        if kind in _SCALARS:
            return self._unpack(_SCALARS[kind])[0]
        if kind == _STRING:
            return self._string()
        if kind != _ARRAY:
            raise self._broken(f"metadata of unknown type {kind}")
        return self._array(*self._unpack("<IQ"))

    def _array(self, item: int, count: int) -> Any:
        if item in _SCALARS:
            width = struct.calcsize(_SCALARS[item])
            self._need(count * width)
            if count > LONG_ARRAY:
                self.file.seek(count * width, 1)
                return LongArray(count)
            return [self._value(item) for _ in range(count)]
        if item != _STRING:
            raise self._broken("an array of arrays")
        texts = self._texts(count)
        if count <= LONG_ARRAY:
            return [text.decode("utf-8", "replace") for text in texts]
        for _ in texts:
            pass
        return LongArray(count)

    def _vocabulary(self) -> Any:
        """The array of the tokens. llama.cpp ends the process over two tokens of the same text."""
        item, count = self._unpack("<IQ")
        if item != _STRING:
            return self._array(item, count)
        seen: set[bytes] = set()
        for number, text in enumerate(self._texts(count)):
            text = text.partition(b"\0")[0] if b"\0" in text else text  # as C reads it
            if text in seen:
                raise self._broken(f"token {number} has the text of another one, {text[:40]!r}")
            if text:  # those that have none are given one
                seen.add(text)
        return LongArray(count)

    def _texts(self, count: int) -> Iterator[bytes]:
        """The next `count` texts, one after the other."""
        self._need(count * 8)
        read, total = self.file.read, 0
        for _ in range(count):
            head = read(8)
            length = int.from_bytes(head, "little")
            total += length
            if length > self.size:
                raise self._broken("it ends inside its header")
            if length > LONGEST_TEXT or total > LONGEST_LIST:
                raise self._broken(f"a text of {max(length, total):,} bytes")
            text = read(length)
            if len(head) + len(text) < 8 + length:
                raise self._broken("it ends inside its header")
            yield text

    def _string(self) -> str:
        (text,) = self._texts(1)
        return text.decode("utf-8", "replace")

    def _unpack(self, form: str) -> tuple[Any, ...]:
        raw = self.file.read(struct.calcsize(form))
        if len(raw) < struct.calcsize(form):
            raise self._broken("it ends inside its header")
        return struct.unpack(form, raw)

    def _need(self, count: int) -> None:
        if count > self.size - self.file.tell():
            raise self._broken("it ends inside its header")

    def _broken(self, why: str) -> ModelFileError:
        return _bad(self.path, f"it is truncated or corrupt: {why}; download or copy it again")


def _looks_like_text(sample: bytes) -> bool:
    printable = sum(byte >= 32 or byte in b"\t\n\r" for byte in sample)
    return b"\0" not in sample and printable >= 0.97 * len(sample)


def _bad(path: Path, why: str) -> ModelFileError:
    return ModelFileError(f"cannot use {str(path)!r}: {why}", path=str(path))
