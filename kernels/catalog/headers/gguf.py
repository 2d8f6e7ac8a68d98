"""GGUF headers, read without llama.cpp and checked against the file's size.

Layout: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md (versions 2 and 3, little endian). A hostile or broken
header is a ModelFileError in milliseconds and never reaches a worker.
"""

from __future__ import annotations

import stat
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from modelhub.errors import ModelFileError
from modelhub.kernels.catalog.headers.header_bytes import HeaderBytes, KnownLists, Malformed
from modelhub.kernels.catalog.headers.limits import impossible
from modelhub.kernels.catalog.headers.tensors import (
    MOST_DIMENSIONS,
    MOST_TENSORS,
    Tensor,
    main_type,
    misplaced,
    tensor,
    twice,
)

MAGIC = b"GGUF"
OLD_MAGICS = {b"lmgg": "ggml", b"fmgg": "ggmf", b"tjgg": "ggjt"}
LONG_ARRAY = 64  # arrays longer than this are skipped, their length is kept
MOST_PAIRS = 1 << 16  # of metadata; models have some fifty
TOKENS, ALIGNMENT = "tokenizer.ggml.tokens", "general.alignment"

# general.file_type: the name people know each mixture by (llama.h, enum llama_ftype).
FILE_TYPES = {
    0: "F32", 1: "F16", 2: "Q4_0", 3: "Q4_1", 7: "Q8_0", 8: "Q5_0", 9: "Q5_1", 10: "Q2_K", 11: "Q3_K_S",
    12: "Q3_K_M", 13: "Q3_K_L", 14: "Q4_K_S", 15: "Q4_K_M", 16: "Q5_K_S", 17: "Q5_K_M", 18: "Q6_K",
    19: "IQ2_XXS", 20: "IQ2_XS", 21: "Q2_K_S", 22: "IQ3_XS", 23: "IQ3_XXS", 24: "IQ1_S", 25: "IQ4_NL",
    26: "IQ3_S", 27: "IQ3_M", 28: "IQ2_S", 29: "IQ2_M", 30: "IQ4_XS", 31: "IQ1_M", 32: "BF16",
    36: "TQ1_0", 37: "TQ2_0", 38: "MXFP4", 39: "NVFP4", 40: "Q1_0",
}  # fmt: skip

GUESSED = 1024  # a bit of it: llama.cpp guessed

_SCALARS = {
    kind: struct.Struct(f"<{form}")
    for kind, form in {
        0: "B",
        1: "b",
        2: "H",
        3: "h",
        4: "I",
        5: "i",
        6: "f",
        7: "?",
        10: "Q",
        11: "q",
        12: "d",
    }.items()
}
_UINT32, _STRING, _ARRAY = 4, 8, 9
_TWO, _COUNTS, _KIND, _ITEMS = (struct.Struct(form) for form in ("<4sI", "<QQ", "<I", "<IQ"))
_ROWS = [struct.Struct(f"<{dimensions}QIQ") for dimensions in range(MOST_DIMENSIONS + 1)]
_SWAPPED = {struct.pack("<I", version) for version in (1, 2, 3)}


@dataclass(frozen=True, slots=True)
class Header:
    """What a GGUF says of itself: metadata (long arrays as `LongArray`), tensors, sizes in bytes."""

    metadata: dict[str, Any]
    tensors: tuple[Tensor, ...]
    quantisation: str
    size: int
    version: int = 3

    @property
    def parameters(self) -> int:
        """How many weights there are."""
        return sum(one.values for one in self.tensors)

    def get(self, key: str, default: Any = None) -> Any:
        """A metadata value; `{arch}` in the key is the architecture's name."""
        return self.metadata.get(key.replace("{arch}", str(self.metadata.get("general.architecture"))), default)


@dataclass(frozen=True, slots=True)
class LongArray:
    """An array too long to keep: only its length is known."""

    length: int


def read_header(path: Path, known: KnownLists | None = None) -> Header:
    """The header of the GGUF at `path`. known: lists of texts of other headers, for those who read many.

    Raises ModelFileError, one line that says what the file is and what to do.
    """
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
            return _Reader(path, file, status.st_size, known).header()
    except OSError as error:
        raise _bad(path, f"it cannot be read ({error.strerror or error})") from None


class _Reader:
    """Reads one header; every length is checked against what is left of the file before it is believed."""

    def __init__(self, path: Path, file: BinaryIO, size: int, known: KnownLists | None) -> None:
        self.path, self.file, self.size = path, file, size
        self.bytes = HeaderBytes(file, size, known)

    def header(self) -> Header:
        self._check_magic()
        try:
            return self._header()
        except Malformed as problem:
            raise _bad(self.path, f"it is truncated or corrupt: {problem}; download or copy it again") from None

    def _header(self) -> Header:
        _magic, version = self.bytes.unpack(_TWO)
        if version.to_bytes(4, "big") in _SWAPPED:
            raise _bad(
                self.path,
                f"it is GGUF version {version}, read backwards: it is for a big-endian machine; get the little-endian "
                "file, or turn it with gguf-convert-endian of the gguf package",
            )
        if version not in (2, 3):
            raise _bad(self.path, f"it is GGUF version {version}; versions 2 and 3 are read, so convert it again")
        tensor_count, pair_count = self.bytes.unpack(_COUNTS)
        if tensor_count * 24 > self.bytes.left or pair_count * 12 > self.bytes.left:
            raise Malformed("its counts of tensors and metadata do not fit the file")
        if tensor_count > MOST_TENSORS or pair_count > MOST_PAIRS:
            raise Malformed(f"its counts, {tensor_count:,} tensors and {pair_count:,} metadata, are beyond any model's")
        metadata: dict[str, Any] = {}
        for _ in range(pair_count):
            key = self._string()
            (kind,) = self.bytes.unpack(_KIND)
            if key in metadata:
                raise Malformed(f"it says {key[:60]!r} twice")
            if key == ALIGNMENT and kind != _UINT32:
                raise Malformed("its alignment is not a sensible number")
            metadata[key] = self._vocabulary() if key == TOKENS and kind == _ARRAY else self._value(kind)
        if not isinstance(metadata.get("general.architecture"), str) and not metadata.get("split.no"):
            raise Malformed("it names no architecture")  # which further files of a split model need not
        if wrong := impossible(metadata):
            raise Malformed(wrong)
        tensors = self._tensors(metadata, tensor_count)
        kind = metadata.get("general.file_type")
        named = FILE_TYPES.get(kind & ~GUESSED) if type(kind) is int else None
        return Header(metadata, tensors, named or main_type(tensors), self.size, version)

    def _tensors(self, metadata: dict[str, Any], count: int) -> tuple[Tensor, ...]:
        rows = []
        for _ in range(count):
            name = self._string()
            (dimensions,) = self.bytes.unpack(_KIND)
            if dimensions > MOST_DIMENSIONS:
                raise Malformed(f"tensor {name[:60]!r} has {dimensions} dimensions")
            *shape, kind, offset = self.bytes.unpack(_ROWS[dimensions])
            rows.append((name, shape, kind, offset))
        alignment = metadata.get(ALIGNMENT, 32)
        if not 0 < alignment <= 1 << 20 or alignment & (alignment - 1):
            raise Malformed("its alignment is not a sensible number")
        start = -(-self.bytes.position // alignment) * alignment
        try:
            tensors = tuple(tensor(name, shape, kind, start + offset) for name, shape, kind, offset in rows)
        except ValueError as problem:
            raise Malformed(str(problem)) from None
        end = max((one.offset + one.size for one in tensors), default=0)
        if end > self.size:
            raise _bad(
                self.path,
                f"it is truncated: {end - self.size:,} of {end:,} bytes are missing; download or copy it again",
            )
        if wrong := twice(tensors):
            raise Malformed(f"it has two tensors {wrong[:60]!r}")
        if wrong := misplaced(tensors, start, alignment):
            raise Malformed(wrong)
        return tensors

    def _check_magic(self) -> None:
        sample = self.file.read(512)
        self.file.seek(0)
        magic = sample[:4]
        if magic == MAGIC:
            return
        if not magic:
            raise _bad(self.path, "it is empty; download or copy it again")
        if magic in OLD_MAGICS:
            raise _bad(
                self.path,
                f"it is in the old {OLD_MAGICS[magic]} format, which llama.cpp gave up in 2023; get the model as GGUF",
            )
        if _looks_like_text(sample):
            hint = "; it may be a git-lfs pointer or a web page" if b"git-lfs" in sample or b"<" in sample[:64] else ""
            raise _bad(self.path, f"it is a text file, not a GGUF{hint}; download the model itself")
        raise _bad(self.path, f"it is not a GGUF: it begins with {magic!r}, not {MAGIC!r}")

    def _value(self, kind: int) -> Any:
        if kind in _SCALARS:
            return self.bytes.unpack(_SCALARS[kind])[0]
        if kind == _STRING:
            return self._string()
        if kind != _ARRAY:
            raise Malformed(f"metadata of unknown type {kind}")
        return self._array(*self.bytes.unpack(_ITEMS))

    def _array(self, item: int, count: int) -> Any:
        if item in _SCALARS:
            if count > LONG_ARRAY:
                self.bytes.skip(count, _SCALARS[item].size)
                return LongArray(count)
            return [self._value(item) for _ in range(count)]
        if item != _STRING:
            raise Malformed("an array of arrays")
        if count > LONG_ARRAY:
            self.bytes.skip_texts(count)
            return LongArray(count)
        return [text.decode("utf-8", "replace") for text in self.bytes.texts(count)]

    def _vocabulary(self) -> Any:
        """The array of the tokens. llama.cpp ends the process over two tokens of the same text."""
        item, count = self.bytes.unpack(_ITEMS)
        if item != _STRING:
            return self._array(item, count)
        self.bytes.distinct_texts(count)
        return LongArray(count)

    def _string(self) -> str:
        return self.bytes.text().decode("utf-8", "replace")


def _looks_like_text(sample: bytes) -> bool:
    printable = sum(byte >= 32 or byte in b"\t\n\r" for byte in sample)
    return b"\0" not in sample and printable >= 0.97 * len(sample)


def _bad(path: Path, why: str) -> ModelFileError:
    return ModelFileError(f"cannot use {str(path)!r}: {why}", path=str(path))
