"""Documents as people write them: read as they are meant, or refused in one line that says where."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from modelhub.errors import ImportFailed
from modelhub.kernels.catalog.documents.documents import LARGEST, LARGEST_YAML, read_document

DOCUMENTS = Path(__file__).parent / "documents"


def refusal(source: Path | str) -> ImportFailed:
    with pytest.raises(ImportFailed) as caught:
        read_document(source)
    assert "\n" not in str(caught.value)
    return caught.value


def test_the_samples_of_the_seed_are_read() -> None:
    """Three kinds of comments, no outer braces, bare keys, missing commas, junk and placeholders are understood."""
    document = read_document(DOCUMENTS / "model-zephyr-7B.json")
    assert document.data["origin"] == "TheBloke/zephyr-7B-beta-GGUF"
    assert document.data["download_url"] == "zephyr-7b-beta.Q2_K.gguf"
    assert document.data["id"] is None
    assert document.data["parameters"]["init"]["embedding"] is True
    assert document.data["parameters"]["runtime"]["top_p"] == ".."
    assert document.data["metadata"] == {"engine": "llamacpp"}
    assert document.line("parameters", "runtime", "top_p") == 35
    assert [note.rpartition("model-zephyr-7B.json, ")[2].partition(":")[0] for note in document.notes] == [
        "line 12",
        "line 16",
    ]


@pytest.mark.parametrize(
    ("text", "data"),
    [
        ('{"a": 1}', {"a": 1}),
        ('{"a": [1, 2,], "b": {},}', {"a": [1, 2], "b": {}}),
        ("{'a': 'it''s'}", None),
        ("{'a': 'x', b: \"it's\"}", {"a": "x", "b": "it's"}),
        ('"a": 1\n"b": 2', {"a": 1, "b": 2}),
        ('a: {\n b: "c" // one\n d: 1 # two\n /* three\n */ e: true }', {"a": {"b": "c", "d": 1, "e": True}}),
        ('{"url": "https://x/#y", u: http://x/y // z\n}', {"url": "https://x/#y", "u": "http://x/y"}),
        ('{"a": 0.5, "b": -3, "c": 1e5, "d": +2, "e": .5}', {"a": 0.5, "b": -3, "c": 100000.0, "d": 2, "e": 0.5}),
        ('{"a": null, "b": None, "c": False}', {"a": None, "b": None, "c": False}),
        ('{"a": NaN, "b": 1e999}', {"a": "NaN", "b": "1e999"}),
        ('{"a": "C:\\models\\x.gguf"}', {"a": "C:\\models\\x.gguf"}),
        ('{"a": "tab\\tand \\u00e9 \\ud83d\\ude00"}', {"a": "tab\tand é 😀"}),
        ('{"a": "half \\ud83d"}', {"a": "half \ufffd"}),
        ('{"a": {model_file_name}, "b": {{x}}, "c": <key>, "d": 1}', {"a": None, "b": None, "c": None, "d": 1}),
        ('Here it is:\n```json\n{"a": 1}\n```\nBye', {"a": 1}),
        ("```yaml\na: [1]\n```", {"a": [1]}),
        ('{"a": 1}\n{"a": 2}', [{"a": 1}, {"a": 2}]),
        ('[{"a": 1}, {"a": 2}]', [{"a": 1}, {"a": 2}]),
        ('"a": "b" -\n', {"a": "b"}),
    ],
)
def test_json_as_people_write_it(text: str, data: Any) -> None:
    """Each liberty is taken as it is meant; what could be meant in two ways is refused."""
    if data is None:
        refusal(text)
    else:
        assert read_document(text).data == data


@pytest.mark.parametrize(
    ("text", "line", "says"),
    [
        ('{"a": 1,\n "b": [1, 2\n}', 2, "[ that begins here is not closed"),
        ('{\n"a": {"b": 1}', 1, "{ that begins here is not closed"),
        ('{"a":\n"open\n}', 2, "not closed on its line"),
        ('{"a": 1} and more', 1, "more follows"),
        ('{"a":\n\n}', 3, "a value is missing"),
        ('{"a": 1 b: 2}', 1, "expected a comma"),
        ('{"a" 1}', 1, "expected a field and its value"),
        ("{\n/* no end", 2, "comment that begins here is not closed"),
        ("a: [1\nb: 2", 2, ""),
        ("a: 1\n  b: 2", 2, "not valid YAML"),
        ("a: *nobody", 1, "alias"),
        ("a: 1\n\0", 2, "NUL"),
        ("[" * 1000, 1, "deeper"),
        ('{"a":' * 1000, 1, "deeper"),
        ("- " * 1000 + "a", 1, ""),
        ("just words", None, "describes nothing"),
        ("", None, "empty"),
        ("# nothing\n// at all", None, ""),
    ],
)
def test_what_cannot_be_meant_is_refused_with_its_line(text: str, line: int | None, says: str) -> None:
    """The line of what is wrong is in the message and in `.line`."""
    error = refusal(text)
    assert says in str(error)
    if line is not None:
        assert error.line == line and f"line {line}:" in str(error)


def test_yaml_is_1_2() -> None:
    """The field `n` and the words of YAML 1.1 stay what they are, as keys and as values; so do names and codes."""
    text = (
        "n: 2\nno: 1\non: off\ny: yes\nyes: y\nversion: 1.10\nname: 007\ncode: 0123\nbig: 1e5\nneg: -4\ntrue: True\n"
        "nothing: ~\nempty:\ndate: 2023-05-15\nhex: 0x1F\nquoted: '12'\nid: no"
    )
    for written in (text, "%YAML 1.1\n---\n" + text):
        assert read_document(written).data == {
            "n": 2, "no": 1, "on": "off", "y": "yes", "yes": "y", "version": "1.10", "name": "007", "code": "0123",
            "big": 100000.0, "neg": -4, "true": True, "nothing": None, "empty": None, "date": "2023-05-15",
            "hex": "0x1F", "quoted": "12", "id": "no",
        }  # fmt: skip


def test_yaml_anchors_merges_and_duplicates() -> None:
    """Aliases and merge keys are followed, a field that stands there twice is taken from the later one and noted."""
    document = read_document("base: &b {t: 1, u: 2}\nmine:\n  <<: *b\n  u: 3\nlist: [*b]\nx: 1\nx: 2\n")
    assert document.data["mine"] == {"t": 1, "u": 3}
    assert document.data["list"] == [{"t": 1, "u": 2}]
    assert document.data["x"] == 2
    assert "line 7: 'x' stands there twice" in document.notes[0]
    assert document.line("mine", "u") == 4


def test_a_bomb_of_aliases_is_refused() -> None:
    """Aliases of aliases that would become thousands of millions of values are refused before they do."""
    text = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n"
    text += "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 12))
    assert "aliases written out" in str(refusal(text))


def test_python_in_yaml_is_text() -> None:
    """A tag makes nothing: what it stands at is plain data."""
    assert read_document("a: !!python/object/apply:os.system ['true']\nb: !!str 12").data == {"a": ["true"], "b": "12"}


def test_toml(tmp_path: Path) -> None:
    """TOML is read by its ending, with lines; dates are text."""
    path = tmp_path / "preset.toml"
    path.write_text('name = "x"\nday = 2024-01-01\n[registration]\nmodel = "y"\n')
    document = read_document(path)
    assert document.data == {"name": "x", "day": "2024-01-01", "registration": {"model": "y"}}
    assert document.line("registration", "model") == 4
    path.write_text('name = "x"\nname = [\n')
    assert "not valid TOML" in str(refusal(path))


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be"])
def test_encodings(tmp_path: Path, encoding: str) -> None:
    """UTF-8 with and without a mark and UTF-16 are read."""
    path = tmp_path / "model.json"
    path.write_bytes('{"id": "é"}'.encode(encoding))
    assert read_document(path).data == {"id": "é"}


def test_what_is_no_document(tmp_path: Path) -> None:
    """Folders, pipes, models, other encodings, too large files and names no file can have are refused at once."""
    (tmp_path / "latin.json").write_bytes(b'{"a": 1,\n"b": "\xe9"}')
    assert refusal(tmp_path / "latin.json").line == 2
    (tmp_path / "model.json").write_bytes(b"GGUF\x03\0\0\0")
    assert "it is a model" in str(refusal(tmp_path / "model.json"))
    os.mkfifo(tmp_path / "pipe.json")
    assert "regular file" in str(refusal(tmp_path / "pipe.json"))
    assert "it is a folder" in str(refusal(tmp_path))
    assert "no such file" in str(refusal(tmp_path / "none.json"))
    for name in ("nul\0.json", "n" * 5000 + ".json", "line\nbreak.json"):
        refusal(tmp_path / name)
    (tmp_path / "large.json").write_bytes(b" " * (LARGEST + 1))
    assert "bytes" in str(refusal(tmp_path / "large.json"))
    (tmp_path / "large.yaml").write_bytes(b"a: 1\n" + b"#" * LARGEST_YAML)
    assert "YAML" in str(refusal(tmp_path / "large.yaml"))


def test_no_message_quotes_a_document() -> None:
    """What is refused may hold a key: whatever is broken about it, the message shows none of its values."""
    canary = "sk-canary-0123456789abcdef"
    whole = json.dumps({"parameters": {"init": {"API-KEY": canary, "x": [canary]}}}, indent=1)
    broken = [whole[:cut] for cut in range(1, len(whole))]
    broken += [whole.replace(":", c, n) for c in (" ", "::", "}", "&", "*", "!") for n in (1, 2, 3)]
    broken += (
        [f"a: {c}{canary}" for c in "*&!%@`{["]
        + [f"a: !{canary}!x b", f"%{canary}\n---\na: b"]
        + [f"{canary}: *{canary}", f"- {canary}\n{canary}"]
    )
    refused = 0
    for text in broken:
        for fence in ("", "```toml\n", "```yaml\n", "```json\n"):
            try:
                read_document(f"{fence}{text}\n```" if fence else text)
            except ImportFailed as error:
                refused += 1
                assert "canary" not in str(error) and error.__cause__ is None
    assert refused > 100
