"""Mutated documents: each is an answer or one clear line, soon, and whatever it is, no key is seen anywhere."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from modelhub.errors import ImportFailed
from modelhub.kernels.catalog import importers
from modelhub.kernels.catalog.documents.documents import read_document
from modelhub.kernels.catalog.documents.writer import document_of
from modelhub.kernels.catalog.importers import Imported
from modelhub.kernels.catalog.presets.preset import preset_of
from modelhub.kernels.protocol.load_params import load_params
from modelhub.kernels.protocol.request import ChatRequest

DOCUMENTS = Path(__file__).parent / "documents"
BUILT_IN = importers.names()
SAMPLES = {path.name: path.read_text("utf-8") for path in sorted(DOCUMENTS.iterdir())}
PIECES = [
    '"', "{", "}", "[", "]", ":", ",", "#", "//", "/*", "*/", "\n", " ", "- ", "&a ", "*a", "!", "|", ">", "'", "\\",
    "%", "@", "`", "\t", "\r", "..", "../", "null", "true", "1e999", "-", "0x", "<<: ", "{x}", "\ud83d", "é", "\u2028",
    "```", "---\n", "...\n", "?", "$", "~", "=", "\x07", "\ufeff", "9" * 50,
]  # fmt: skip
FAST = settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def sound(found: Imported) -> None:
    """What came is such as the rest of modelhub takes."""
    for card in found.cards:
        load_params(**card.load)
        ChatRequest.make(model="x", messages=[{"role": "user", "content": "x"}], **card.request)
        assert ".." not in card.id.split("/") and card.id
        assert card.files == () or all(f.path is None for f in card.files)
        json.dumps(document_of(card, Path("folder")), allow_nan=False).encode()
        json.dumps(card.to_dict()).encode()
    for preset in found.presets:
        preset_of(preset)
    assert all("\n" not in note for note in found.notes)


def tried(text: str, import_format: str | None = None) -> None:
    try:
        found = importers.read_one(text, import_format)
    except ImportFailed as error:
        assert "\n" not in str(error) and "its importer failed" not in str(error), str(error)
    else:
        sound(found)


def mutated(text: str, draw: random.Random) -> str:
    for _ in range(draw.randint(1, 6)):
        at = draw.randrange(len(text) + 1)
        kind = draw.randrange(5)
        if kind == 0:
            text = text[:at] + draw.choice(PIECES) + text[at:]
        elif kind == 1:
            text = text[:at] + text[at + draw.randint(1, 12) :]
        elif kind == 2:
            text = text[:at]
        elif kind == 3:
            end = at + draw.randint(1, 60)
            text = text[:end] + text[at:end] + text[end:]
        else:
            lines = text.split("\n")
            draw.shuffle(lines)
            text = "\n".join(lines)
    return text


@FAST
@given(name=st.sampled_from(sorted(SAMPLES)), seed=st.integers(0, 1 << 32))
def test_mutated_samples(name: str, seed: int) -> None:
    """Samples cut, doubled, shuffled and salted are a card that can be used, or one line."""
    tried(mutated(SAMPLES[name], random.Random(seed)))


NASTY: list[Any] = [
    None, True, 0, -1, 1 << 70, 1.5, "", "..", "true", "auto", "a/b", "x.gguf", "https://x/y.gguf", "{prompt}", "http://[",
    "http://x:port/", "//", ".", "/", "\0", "\n", "\ud83d", "é", "x" * 3000, "sk-", "huggingface://a/b/c", "$input",
    "1" * 5000, "nan", "inf", "1_000", "٣", [], [None], [[]], [{}], [1], ["x"], {}, {"": ""}, {"a": {"b": []}},
    {"system": 1}, [{"path": 1, "url": 2, "role": 3, "sha256": 4, "size": "5"}], [{"uri": "x.gguf", "filename": 1}],
    [{"key": "a", "value": {"checked": True}}], [{"sources": [{"type": "huggingface"}]}], "{{", "{% for %}",
    "-00001-of-99999.gguf",
    "https://huggingface.co/a/b/resolve/main/c-00001-of-99999.gguf", "azure", "model",
]  # fmt: skip


def leaves(data: Any, way: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The way to every value in it."""
    inner = data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, list) else ()
    return [way, *(deep for key, value in inner for deep in leaves(value, (*way, key)))]


def put(data: Any, way: tuple[Any, ...], value: Any) -> Any:
    """The same with another value at the end of the way."""
    if not way:
        return value
    copy = dict(data) if isinstance(data, dict) else list(data)
    copy[way[0]] = put(data[way[0]], way[1:], value)
    return copy


@pytest.mark.parametrize("name", sorted(SAMPLES))
def test_any_value_anywhere(name: str) -> None:
    """Every field of every sample may hold anything, also read as another format."""
    data = read_document(DOCUMENTS / name).data
    for way in leaves(data):
        draw = random.Random(f"{name} {way}")
        for value in draw.sample(NASTY, 12):
            wrong = json.dumps(put(data, way, value))
            tried(wrong)
            if draw.random() < 0.1:
                tried(wrong, draw.choice(BUILT_IN))


@pytest.mark.parametrize("name", sorted(SAMPLES))
def test_a_key_anywhere_is_seen_nowhere(name: str) -> None:
    """A key put under any name a key has, at any place of any sample, is in no card, preset, note or error."""
    for field in ("API-KEY", "api_key", "apiKey", "x-api-key", "Authorization", "access_token", "password", "token"):
        for canary in ("canary0123456789ABCDEF", "sk-canary-0123456789abcdef", "Bearer canary0123456789"):
            for text in planted(SAMPLES[name], field, canary):
                try:
                    found = importers.read_one(text)
                except ImportFailed as error:
                    assert "canary" not in f"{error!s}{error!r}{error.details}"
                    continue
                shown = [str(found), repr(found), *map(repr, found.cards)]
                shown += [json.dumps(c.to_dict()) + json.dumps(document_of(c, Path())) for c in found.cards]
                shown += [json.dumps(found.presets), str(found.notes), str(found.keys), str(found.aliases)]
                assert "canary" not in "".join(shown)


def planted(text: str, field: str, canary: str) -> list[str]:
    """The sample with a key at some places: beside its first field, and deeper."""
    found = []
    lines = text.split("\n")
    for number, line in enumerate(lines):
        indent = line[: len(line) - len(line.lstrip())]
        head = line.lstrip()
        if head.startswith('"') and ":" in head:
            planted_line = f'{indent}"{field}": "{canary}",'
        elif head[:1].isalpha() and ": " in f"{head} ":
            planted_line = f"{indent}{field}: {canary}"
        else:
            continue
        found.append("\n".join([*lines[:number], planted_line, *lines[number:]]))
    return found[:: max(1, len(found) // 6)]


def test_a_key_in_a_document_is_found() -> None:
    """The key goes with its provider and its address, without the word Bearer; what stands for one is none."""
    base = {"origin": "https://docs-test-001.openai.azure.com/", "id": "gpt", "parameters": {"init": {}}}
    for field, said, key in (
        ("API-KEY", "canary-1", "canary-1"),
        ("Authorization", "Bearer canary-2", "canary-2"),
        ("anything", "sk-canary-0123456789abcdef", "sk-canary-0123456789abcdef"),
        ("api_key", "${AZURE_KEY}", None),
        ("api_key", "<your key>", None),
        ("api_key", "YOUR_API_KEY", None),
        ("api_key_env", "canary-3", None),
        ("api_key", "", None),
    ):
        base["parameters"] = {"init": {field: said}}
        found = importers.read_one(json.dumps(base))
        assert [s.secret.reveal() for s in found.keys.values()] == ([key] if key else [])
        if key:
            assert found.keys["azure"].origin == "https://docs-test-001.openai.azure.com/"
            assert any("holds a key for azure" in n and "line 1" in n for n in found.notes)
    found = importers.read_one(
        "model_id: x\nmodel_name: y\napi_base: https://user:canary@host.example/v1?api_key=canary9\n"
    )
    assert "canary" not in repr(found) + json.dumps(found.cards[0].to_dict())
