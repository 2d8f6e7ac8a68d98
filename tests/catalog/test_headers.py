"""What a header says of a model: tensors, tokenizer, templates, what it can do, how it wants to be asked."""

from __future__ import annotations

import dataclasses
import struct
from pathlib import Path
from typing import Any

import pytest

from modelhub.errors import ModelFileError
from modelhub.kernels.catalog.card import card_of_file
from modelhub.kernels.catalog.headers.facts import Facts, facts_of
from modelhub.kernels.catalog.headers.gguf import read_header
from modelhub.kernels.catalog.headers.header_bytes import KnownLists
from modelhub.kernels.protocol.request import ChatRequest
from tests.catalog import small
from tests.engines.gguf_file import GgufFile

TOOLS = b"{% if tools %}{{ tools }}{% endif %}{{ messages }}"
THINKS = b"{% if enable_thinking %}<think>{% endif %}{{ messages }}"


def refusal(path: Path) -> str:
    with pytest.raises(ModelFileError) as caught:
        read_header(path)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_the_table_of_tensors(tmp_path: Path) -> None:
    """Names, shapes, types and places are those the writer put there; each lies in the file and behind the header."""
    path = small.model(tmp_path / "a.gguf")
    header, file = read_header(path), GgufFile(path)
    assert [(t.name, list(t.shape)) for t in header.tensors] == [(t.name.decode(), t.extents) for t in file.tensors]
    start = path.stat().st_size - len(file.data)
    for said, one in zip(file.tensors, header.tensors, strict=True):
        assert (one.type, one.offset, one.size) == ("F32", start + said.offset, 4 * one.values)
        assert one.offset % 32 == 0 and one.offset + one.size <= path.stat().st_size
    assert header.parameters == sum(t.values for t in header.tensors)


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"offset": 8}, "which is no multiple of 32"),
        ({"offset": 0}, "lie in one another"),
        ({"offset": 2**40}, "bytes are missing"),
        ({"offset": 2**64 - 32}, "bytes are missing"),
        ({"extents": [2**32, 2**32]}, "more values than can be counted"),
        ({"extents": [2**63]}, "more values than can be counted"),
        ({"extents": [2**62, 2]}, "more values than can be counted"),
        ({"extents": [1] * 5}, "has 5 dimensions"),
        ({"extents": [33], "kind": 8}, "needs a multiple of 32"),
        ({"name": b"output_norm.weight"}, "two tensors 'output_norm.weight'"),
        ({"name": b"n" * 64}, "longer than 63 bytes"),
    ],
)
def test_tensors_that_cannot_be(tmp_path: Path, fields: dict[str, Any], says: str) -> None:
    """Each rule of the format that a table can break is said by the tensor's name."""
    file = GgufFile(small.whole())
    tensor = file.tensor("blk.0.ffn_up.weight")
    for field, value in fields.items():
        setattr(tensor, field, value)
    assert says in refusal(file.write(tmp_path / "x.gguf"))


@pytest.mark.parametrize("alignment", [0, 3, 48, 2**31])
def test_the_alignment(tmp_path: Path, alignment: int) -> None:
    """An alignment must be a power of two, and a 32-bit number, or llama.cpp would end the process."""
    path = GgufFile(small.whole()).set("general.alignment", "u32", alignment).write(tmp_path / "x.gguf")
    assert "alignment is not a sensible number" in refusal(path)
    path = GgufFile(small.whole()).set("general.alignment", "u64", 32).write(tmp_path / "y.gguf")
    assert "alignment is not a sensible number" in refusal(path)


def test_big_endian_and_twice_said(tmp_path: Path) -> None:
    """A file for another kind of machine says so and what turns it; a key that is said twice is refused."""
    path = tmp_path / "big.gguf"
    path.write_bytes(b"GGUF" + struct.pack(">IQQ", 3, 0, 0) + b"\0" * 64)
    assert "big-endian" in refusal(path) and "gguf-convert-endian" in refusal(path)
    pair = struct.pack("<Q", 20) + b"general.architecture" + struct.pack("<IQ", 8, 5) + b"llama"
    path.write_bytes(b"GGUF" + struct.pack("<IQQ", 3, 0, 2) + pair * 2)
    assert "it says 'general.architecture' twice" in refusal(path)


@pytest.mark.parametrize(
    ("pairs", "kind", "capabilities"),
    [
        ({}, "chat", ("chat",)),
        ({"tokenizer_chat_template": ("text", TOOLS)}, "chat", ("chat", "tools")),
        ({"tokenizer_chat_template": ("text", THINKS)}, "chat", ("chat", "reasoning")),
        ({"tokenizer_chat_template.tool_use": ("text", b"x")}, "chat", ("chat", "tools")),
        ({"tokenizer_chat_template": ("text", b"")}, "completion", ()),
        ({"tokenizer_ggml.fim_pre_token_id": ("u32", 3)}, "chat", ("chat", "infill")),
        ({"llama_pooling_type": ("u32", 1)}, "embedding", ("embedding",)),
        ({"llama_pooling_type": ("u32", 4)}, "embedding", ("rerank",)),
        ({"llama_pooling_type": ("u32", 0)}, "chat", ("chat",)),
    ],
)
def test_what_a_model_can_do(tmp_path: Path, pairs: dict[str, Any], kind: str, capabilities: tuple[str, ...]) -> None:
    """The kind and the capabilities are read from templates, vocabulary and pooling."""
    card = card_of_file(small.model(tmp_path / "a.gguf", **pairs))
    assert (card.kind, card.capabilities) == (kind, capabilities)
    assert card.metadata["modelhub"]["tokenizer"] == "gpt2"


@pytest.mark.parametrize(("architecture", "kind"), [("nomic-bert", "embedding"), ("qwen3", "completion")])
def test_the_kind_by_the_architecture(tmp_path: Path, architecture: str, kind: str) -> None:
    """Architectures that give vectors are known where the file does not say how it pools."""
    assert card_of_file(small.header(tmp_path / "a.gguf", architecture)).kind == kind


def test_roles(tmp_path: Path) -> None:
    """A projector and an adapter are no models."""
    files = [small.projector(tmp_path / "p.gguf"), small.adapter(tmp_path / "l.gguf"), small.model(tmp_path / "m.gguf")]
    assert [facts_of(path).role for path in files] == ["mmproj", "lora", "model"]
    for path in files[:2]:
        with pytest.raises(ModelFileError, match="not a model; name the model it goes with"):
            card_of_file(path)


def test_how_a_model_wants_to_be_asked(tmp_path: Path) -> None:
    """`general.sampling.*` becomes fields of a request by our names, which a request takes."""
    hints = {
        "temp": ("f32", 0.7), "top_k": ("i32", 20), "top_p": ("f32", 0.8), "min_p": ("f32", 0.05),
        "xtc_probability": ("f32", 0.5), "xtc_threshold": ("f32", 0.1), "penalty_last_n": ("i32", 64),
        "penalty_repeat": ("f32", 1.1), "mirostat": ("i32", 2), "mirostat_tau": ("f32", 5.0),
        "mirostat_eta": ("f32", 0.1), "sequence": ("text", b"top_k;temp"),
    }  # fmt: skip
    path = small.model(tmp_path / "a.gguf", **{f"general_sampling.{k}": v for k, v in hints.items()})
    request = card_of_file(path).request
    assert request == {
        "temperature": 0.7, "top_p": 0.8,
        "x_modelhub": {
            "top_k": 20, "min_p": 0.05, "xtc_probability": 0.5, "xtc_threshold": 0.1, "repeat_last_n": 64,
            "repeat_penalty": 1.1, "mirostat": 2, "mirostat_tau": 5.0, "mirostat_eta": 0.1,
        },
    }  # fmt: skip
    ChatRequest.make(model="m", messages=[{"role": "user", "content": "hi"}], **request)


@pytest.mark.parametrize(
    "hint", [("f32", float("nan")), ("f32", 99.0), ("f32", -1.0), ("text", b"0.5"), ("bool", True), ("f32s", [0.5])]
)
def test_hints_that_no_request_takes(tmp_path: Path, hint: tuple[str, Any]) -> None:
    """A recommended value out of range or of another kind is left out, and the others stay."""
    pairs = {"general_sampling.temp": hint, "general_sampling.top_k": ("i32", 0)}
    assert card_of_file(small.model(tmp_path / "a.gguf", **pairs)).request == {"x_modelhub": {"top_k": 0}}


def test_facts_survive_the_index(tmp_path: Path) -> None:
    """What is kept of a file comes back as it was, and holds every field of it."""
    facts = facts_of(small.model(tmp_path / "a.gguf", **{"general_sampling.temp": ("f32", 0.7)}))
    assert Facts.from_dict(facts.to_dict()) == facts
    assert facts.to_dict().keys() == {f.name for f in dataclasses.fields(Facts)}


def test_long_vocabularies(tmp_path: Path) -> None:
    """Thousands of texts of every length, some across two reads, are passed and compared exactly."""
    texts = [b"%d," % number * (number % 9 + 1) for number in range(70_000)]
    texts[500] = b"x" * 300_000
    file = GgufFile(small.whole()).set("tokenizer.ggml.tokens", "texts", texts)
    header = read_header(file.set("tokenizer.ggml.merges", "texts", texts * 2).write(tmp_path / "a.gguf"))
    assert header.get("tokenizer.ggml.tokens").length == 70_000
    assert header.get("tokenizer.ggml.merges").length == 140_000
    assert header.get("tokenizer.ggml.eos_token_id") == 2 and len(header.tensors) == len(file.tensors)
    for number, text in ((69_999, texts[3]), (256, texts[255]), (4, b"\0"), (65_000, texts[500])):
        other = [*texts[:number], text, *texts[number + 1 :]]
        path = GgufFile(small.whole()).set("tokenizer.ggml.tokens", "texts", other).write(tmp_path / "b.gguf")
        if text == b"\0":
            assert read_header(path)
        else:
            assert f"has the text of another one, {text[:40]!r}" in refusal(path)


def test_vocabularies_that_are_known(tmp_path: Path) -> None:
    """Headers read one after the other, with lists in common and not, are each what they are alone."""
    lists = [[b"%d,%d," % (seed, number) * (2 + seed) for number in range(70_000)] for seed in (1, 2)]
    known, paths = KnownLists(), []
    for tokens, merges in ((0, 0), (0, 0), (0, 1), (1, 0), (1, 1)):
        file = GgufFile(small.whole()).set("tokenizer.ggml.tokens", "texts", lists[tokens])
        file.set("tokenizer.ggml.merges", "texts", lists[merges] + lists[merges][:tokens])
        paths.append(file.write(tmp_path / f"{len(paths)}.gguf"))
    cut = paths[1].with_name("cut.gguf")
    cut.write_bytes(paths[1].read_bytes()[:1_500_000])
    for path in paths:
        assert read_header(path, known) == read_header(path)
        with pytest.raises(ModelFileError, match="ends inside its header"):
            read_header(cut, known)
    twice = [*lists[0][:-1], lists[0][-2]]  # as long as one that is known
    path = GgufFile(small.whole()).set("tokenizer.ggml.tokens", "texts", twice).write(tmp_path / "twice.gguf")
    with pytest.raises(ModelFileError, match="has the text of another one"):
        read_header(path, known)


def test_a_million_empty_texts(tmp_path: Path) -> None:
    """Empty texts may be any number; more than any model has are refused before they are gone through."""
    for count, says in ((1 << 20, None), ((1 << 20) + 1, "a list of 1,048,577 texts")):
        file = GgufFile(small.whole())
        file.pairs["tokenizer.ggml.tokens"] = (9, struct.pack("<IQ", 8, count) + b"\0" * 8 * count)
        path = file.write(tmp_path / "x.gguf")
        assert says in refusal(path) if says else read_header(path).get("tokenizer.ggml.tokens").length == count
