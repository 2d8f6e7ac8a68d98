"""GGUF headers: what is no model, or a broken one, is said in one line and in no time."""

from __future__ import annotations

import os
import random
import struct
import time
from pathlib import Path

import pytest

from benchmarks.random_gguf import Shape, write
from modelhub.errors import ModelFileError
from modelhub.kernels.catalog.card import card_of_file
from modelhub.kernels.catalog.headers.gguf import read_header

LFS = b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a214614ab2935c943f9e0ff69d22eadbb8f32\nsize 4109\n"
ARCHITECTURE = struct.pack("<Q", 20) + b"general.architecture" + struct.pack("<IQ", 8, 5) + b"llama"


def refusal(path: Path) -> str:
    with pytest.raises(ModelFileError) as caught:
        read_header(path)
    assert caught.value.path == str(path)
    text = str(caught.value)
    assert "\n" not in text and text.startswith("cannot use ")
    return text


def header(version: int = 3, tensors: int = 0, pairs: int = 0, rest: bytes = b"") -> bytes:
    return b"GGUF" + struct.pack("<IQQ", version, tensors, pairs) + rest


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A whole GGUF of a few kilobytes of header."""
    path = tmp_path_factory.mktemp("gguf") / "small.gguf"
    return write(path, Shape(layers=1, width=32, heads=2, kv_heads=1, feed=32, vocabulary=264)).read_bytes()


def test_a_header_says_what_the_model_is(random_gguf: Path) -> None:
    """Name, context, sizes, quantisation and template are read; long arrays are only counted."""
    card = card_of_file(random_gguf)
    assert (card.name, card.architecture, card.context_length) == ("local/random", "llama", 512)
    assert (card.quantisation, card.has_template, card.size) == ("F32", True, random_gguf.stat().st_size)
    assert card.parameters == 2 * 512 * 64 + 2 * (2 * 64 + 2 * 64 * 64 + 2 * 32 * 64 + 3 * 64 * 128) + 64
    read = read_header(random_gguf)
    assert read.get("tokenizer.ggml.tokens").length == 512
    assert read.get("{arch}.block_count") == 2


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "it is empty"),
        (b"GG", "text file"),
        (b"GGUF", "truncated or corrupt"),
        (b"GGUF\x03\0\0\0", "truncated or corrupt"),
        (b"Hello, I am not a model.\n" * 50, "it is a text file"),
        (LFS, "git-lfs pointer"),
        (b"<!DOCTYPE html>\n<html><body>404 Not Found</body></html>", "web page"),
        (b"lmgg" + b"\1\0\0\0" * 20, "old ggml format"),
        (b"tjgg" + b"\3\0\0\0" * 20, "old ggjt format"),
        (b"fmgg" + b"\1\0\0\0" * 20, "old ggmf format"),
        (b"\x89PNG\r\n\x1a\n" + b"\0" * 100, "it begins with"),
        (b"PK\x03\x04" + bytes(range(256)), "it begins with"),
        (header(version=1), "GGUF version 1"),
        (header(version=50331648), "GGUF version 50331648"),
        (header(tensors=1 << 60), "counts"),
        (header(pairs=1 << 60), "counts"),
        (header(pairs=1, rest=struct.pack("<Q", 1 << 62) + b"key" * 9), "ends inside"),
        (header(pairs=1, rest=ARCHITECTURE[:-2]), "ends inside"),
        (header(pairs=0), "names no architecture"),
        (header(pairs=1, rest=b"\1\0\0\0\0\0\0\0k" + struct.pack("<I", 99) + b"\0" * 12), "unknown type 99"),
        (header(pairs=1, rest=b"\1\0\0\0\0\0\0\0k" + struct.pack("<IIQ", 9, 9, 5) + b"\0" * 60), "array of arrays"),
        (header(pairs=1, rest=b"\1\0\0\0\0\0\0\0k" + struct.pack("<IIQ", 9, 4, 1 << 62) + b"\0" * 60), "ends inside"),
    ],
)
def test_what_is_no_model_says_what_it_is(tmp_path: Path, content: bytes, says: str) -> None:
    """Each kind of wrong file is named, in one line that says what to do."""
    path = tmp_path / "model.gguf"
    path.write_bytes(content)
    assert says in refusal(path)


def test_what_is_no_file(tmp_path: Path) -> None:
    """A missing file, a folder, a pipe and names no file can have are refused without waiting for anything."""
    assert "there is no such file" in refusal(tmp_path / "none.gguf")
    (tmp_path / "inside.gguf").touch()
    assert "it is a folder" in refusal(tmp_path) and "inside.gguf" in refusal(tmp_path)
    os.mkfifo(tmp_path / "pipe.gguf")
    assert "not a regular file" in refusal(tmp_path / "pipe.gguf")
    for name in ("nul\0.gguf", "n" * 5000 + ".gguf", "line\nbreak.gguf", "half \udc80.gguf", "inside.gguf/x.gguf"):
        refusal(tmp_path / name)
    (tmp_path / "loop.gguf").symlink_to(tmp_path / "loop.gguf")
    assert "cannot be read" in refusal(tmp_path / "loop.gguf")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_an_unreadable_file(tmp_path: Path) -> None:
    """A file without permission says so."""
    path = tmp_path / "secret.gguf"
    path.write_bytes(b"GGUF")
    path.chmod(0)
    assert "Permission denied" in refusal(path)


def test_a_truncated_model_says_how_much_is_missing(tmp_path: Path, model: bytes) -> None:
    """Cut anywhere, a model is refused; cut in its tensors, it says how many bytes are missing."""
    path = tmp_path / "cut.gguf"
    for cut in sorted({1, 4, 12, 24, 100, 1000, len(model) // 2, len(model) - 40, len(model) - 1}):
        path.write_bytes(model[:cut])
        text = refusal(path)
        assert "download or copy it again" in text or "text file" in text
    assert f"1 of {len(model):,} bytes are missing" in text
    path.write_bytes(model)
    assert read_header(path).size == len(model)


def test_hostile_headers_never_do_more_than_fail(tmp_path: Path, model: bytes) -> None:
    """300 headers with bytes changed or cut off: each is read or refused, in less than a second."""
    source = random.Random(5)
    path = tmp_path / "fuzz.gguf"
    refused = 0
    for number in range(300):
        raw = bytearray(model[: source.randrange(4, len(model))] if number % 5 == 0 else model)
        reach = source.choice([64, 400, 8000, len(raw)])
        for _ in range(source.choice([1, 2, 8])):
            raw[source.randrange(min(reach, len(raw)))] = source.choice([0, 1, 0x7F, 0x80, 0xFF, source.randrange(256)])
        path.write_bytes(raw)
        began = time.monotonic()
        try:
            card_of_file(path).to_dict()
        except ModelFileError as error:
            refused += 1
            assert "\n" not in str(error)
        assert time.monotonic() - began < 1, number
    assert 60 < refused < 300


def test_a_card_holds_only_what_it_may(tmp_path: Path) -> None:
    """Metadata of the wrong kind is not believed: a name that is a number is no description."""

    def pair(key: bytes, kind: int, value: bytes) -> bytes:
        return struct.pack("<Q", len(key)) + key + struct.pack("<I", kind) + value

    rest = ARCHITECTURE + pair(b"general.name", 4, struct.pack("<I", 7)) + pair(b"general.license", 4, b"\0\0\0\0")
    rest += pair(b"llama.context_length", 6, struct.pack("<f", 2.5)) + pair(b"general.file_type", 12, b"\0" * 8)
    path = tmp_path / "odd.gguf"
    path.write_bytes(header(pairs=5, rest=rest + b"\0" * 32))
    card = card_of_file(path)
    assert (card.description, card.licence, card.context_length, card.has_template) == (None, None, None, False)
