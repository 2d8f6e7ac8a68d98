"""Documents that describe models: JSON as people write it, YAML 1.2 and TOML, read into plain data with line numbers.

What comes is dictionaries with text for keys, lists, text, numbers, True, False and None. A document may hold keys of
providers, so no message quotes more of one than the names of its fields.
"""

from __future__ import annotations

import re
import stat
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from modelhub.errors import ImportFailed
from modelhub.kernels.catalog.documents.loose_json import Malformed, Place, read_loose_json
from modelhub.kernels.catalog.documents.yaml12 import read_yaml

LARGEST = 1 << 20  # bytes; documents that describe a model have a few thousand
LARGEST_YAML = 1 << 18  # bytes; a YAML reader in Python does about 100 kB a second
SUFFIXES = {".json": "JSON", ".yaml": "YAML", ".yml": "YAML", ".toml": "TOML"}

_FENCE = re.compile(r"^[ \t]*```[ \t]*(\w*)[^\n]*\n(.*?)^[ \t]*```", re.M | re.S)
_LINE = re.compile(r"line (\d+)")
_TOML_KEY = re.compile(r"^\s*(?:(\[\[?)\s*([^\]]+?)\s*\]\]?|([\w.\"'-]+)\s*=)")


@dataclass(frozen=True, slots=True)
class Document:
    """One document that was read.

    data: a dictionary, or a list of them. lines: the line of each key, by the way to it, as ("parameters", "init").
    path: the file; None for text. notes: what was put up with, in one line each.
    """

    data: Any
    lines: Mapping[Place, int] = field(default_factory=dict, repr=False)
    path: Path | None = None
    notes: tuple[str, ...] = ()
    inside: Place = ()

    @property
    def label(self) -> str:
        """What messages call it."""
        return str(self.path) if self.path is not None else "the document"

    @property
    def stem(self) -> str:
        """The file's name without its ending; of a `model.json` or `model.yml` the folder's."""
        if self.path is None:
            return ""
        named = self.path.name.rsplit(".", 1)[0] if self.path.suffix.lower() in SUFFIXES else self.path.name
        return self.path.absolute().parent.name if named.lower() == "model" else named

    def line(self, *keys: str | int) -> int | None:
        """The line of the key at the end of this way, or of the nearest above it that has one."""
        place = (*self.inside, *keys)
        return next((self.lines[place[:n]] for n in range(len(place), 0, -1) if place[:n] in self.lines), None)

    def where(self, *keys: str | int) -> str:
        """`FILE, line N`, for a message."""
        line = self.line(*keys)
        return f"{self.label}, line {line}" if line else self.label

    def error(self, what: str, *keys: str | int) -> ImportFailed:
        """An error that says where it is."""
        return ImportFailed(f"{self.where(*keys)}: {what}", path=self.label, line=self.line(*keys))

    def part(self, key: str | int) -> Document:
        """The document inside it at `key`, with its lines."""
        return replace(self, data=self.data[key], inside=(*self.inside, key))


def read_document(source: Path | str) -> Document:
    """The document in a file, or in a text.

    A Path is read; a str is the text itself. Raises ImportFailed with the path and, where it is known, the line.
    """
    if isinstance(source, Path):
        text = _decode(_content(source), source)
        kind = SUFFIXES.get(source.suffix.lower(), "")
        return _parse(text, kind, source)
    if len(source) > LARGEST:
        raise ImportFailed(f"the document has {len(source):,} characters; {LARGEST:,} is the most", path="")
    return _parse(source, "", None)


def _content(path: Path) -> bytes:
    try:
        status = path.stat()
        if stat.S_ISDIR(status.st_mode):
            raise _failed(path, "it is a folder; name a document in it")
        if not stat.S_ISREG(status.st_mode):
            raise _failed(path, "it is not a regular file")
        if status.st_size > LARGEST:
            raise _failed(path, f"it has {status.st_size:,} bytes, and a document has {LARGEST:,} at most")
        with path.open("rb") as file:
            content = file.read(LARGEST + 1)
    except OSError as error:
        missing = "there is no such file" if isinstance(error, FileNotFoundError) else error.strerror or "I/O error"
        raise _failed(path, missing) from None
    except ValueError:  # a NUL, or half a character, in the path
        raise _failed(path, "no file can be called that") from None
    if len(content) > LARGEST:
        raise _failed(path, f"it grew while it was read; a document has {LARGEST:,} bytes at most")
    return content


def _decode(content: bytes, path: Path) -> str:
    """The text. UTF-8 with or without a mark, and UTF-16 as Windows writes it."""
    if content.startswith(b"GGUF"):
        raise _failed(path, "it is a model and no document; give it a name that ends in .gguf")
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        encoding = "utf-16"
    elif content[1:2] == b"\0" and content[:1] != b"\0":
        encoding = "utf-16-le"
    elif content[:1] == b"\0" and content[1:2] != b"\0":
        encoding = "utf-16-be"
    else:
        encoding = "utf-8-sig"
    try:
        text = content.decode(encoding)
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise _failed(path, f"it is not text in UTF-8 (byte {error.start:,})", line) from None
    return text.removeprefix("\ufeff")


def _parse(text: str, kind: str, path: Path | None) -> Document:
    if "\0" in text:
        raise _failed(path, "it holds NUL characters, so it is no text", text[: text.index("\0")].count("\n") + 1)
    text, before, fence, notes = _unfenced(text, kind)
    kind = fence or kind or _kind(text)
    try:
        if kind == "YAML":
            data, lines, more = _yaml(text)
        elif kind == "TOML":
            data, lines, more = _toml(text)
        else:
            data, lines, more = read_loose_json(text)
    except Malformed as error:
        raise _failed(path, error.what, error.line + before if error.line else None) from None
    if not isinstance(data, dict | list):
        raise _failed(path, "it describes nothing: expected fields with values, as id: my-model")
    label = str(path) if path is not None else "the document"
    notes += [f"{label}, line {line + before}: {what}" for line, what in more]
    return Document(data, {place: line + before for place, line in lines.items()}, path, tuple(notes))


def _unfenced(text: str, kind: str) -> tuple[str, int, str, list[str]]:
    """The text inside the first Markdown fence, the lines before it, its language, and notes."""
    if "```" not in text or (kind and not text.lstrip().startswith("```")):
        return text, 0, "", []
    found = list(_FENCE.finditer(text))
    if not found:
        return text, 0, "", []
    first = found[0]
    note = [f"{len(found) - 1} more blocks of code are not read"] if len(found) > 1 else []
    return first[2], text.count("\n", 0, first.start(2)), SUFFIXES.get(f".{first[1].lower()}", ""), note


def _kind(text: str) -> str:
    """JSON, where it begins as JSON does; else YAML."""
    for line in text.splitlines():
        line = line.strip()
        if line and not line.startswith(("#", "//", "/*")):
            return "JSON" if line[0] in "{[\"'" or line.endswith(("{", ",")) else "YAML"
    return "YAML"


def _yaml(text: str) -> tuple[Any, dict[Place, int], list[tuple[int, str]]]:
    if len(text) > LARGEST_YAML:
        raise Malformed(f"it has {len(text):,} characters, and a YAML document has {LARGEST_YAML:,} at most", 0)
    try:
        return read_yaml(text)
    except Malformed:
        if text.lstrip()[:1] != "{":
            raise
    return read_loose_json(text)


def _toml(text: str) -> tuple[Any, dict[Place, int], list[tuple[int, str]]]:
    try:
        data = tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        line = _LINE.search(str(error))
        raise Malformed("it is not valid TOML", int(line[1]) if line else 0) from None
    lines: dict[Place, int] = {}
    table: Place = ()
    for number, line_text in enumerate(text.splitlines(), 1):
        if match := _TOML_KEY.match(line_text):
            if match[1]:
                table = tuple(part.strip(" \"'") for part in match[2].split("."))
            lines.setdefault(table if match[1] else (*table, *match[3].replace('"', "").split(".")), number)
    return _plain(data, 0), lines, []


def _plain(value: Any, depth: int) -> Any:
    """TOML's values as plain data: dates as text."""
    if depth > 64:
        raise Malformed("it is nested deeper than 64 levels", 0)
    if isinstance(value, dict):
        return {str(k): _plain(v, depth + 1) for k, v in value.items()}
    if isinstance(value, list):
        return [_plain(v, depth + 1) for v in value]
    finite = not isinstance(value, float) or value - value == 0
    return value if isinstance(value, str | bool | int | float) and finite else str(value)


def _failed(path: Path | None, what: str, line: int | None = None) -> ImportFailed:
    label = ascii(str(path))[1:-1] if path is not None and not str(path).isprintable() else str(path or "the document")
    at = f"{label}, line {line}" if line else label
    return ImportFailed(f"cannot read {at}: {what}", path=str(path or ""), line=line)
