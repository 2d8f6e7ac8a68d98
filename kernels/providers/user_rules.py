"""The user's own dated rules: `provider_rules.toml` of the home folder, read anew when it changes.

Rows are as in `dated_rules.toml` beside this file. One that is wrong is left out, and is a line among the problems.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

from modelhub.errors import did_you_mean
from modelhub.kernels import settings
from modelhub.kernels.protocol.honesty import LOCAL
from modelhub.kernels.protocol.request import short
from modelhub.kernels.providers.rules import DatedRule, FieldRule, changed

STATUSES = ("honoured", "no-op", "rejected")
_NAMES = [f.name for f in fields(DatedRule)]
_held: tuple[tuple[Path, int, int] | None, tuple[DatedRule, ...], list[str]] = (None, (), [])


def user_rules() -> tuple[DatedRule, ...]:
    """The rules that are right, in their order."""
    return _read()[0]


def problems() -> list[str]:
    """What is wrong with the others, or with the file, in one line each."""
    return list(_read()[1])


def path() -> Path:
    """Where they stand; it may not exist."""
    return settings.home() / "provider_rules.toml"


def _read() -> tuple[tuple[DatedRule, ...], list[str]]:
    global _held
    file = path()
    try:
        status = file.stat()
    except OSError:
        return (), []
    seen = (file, status.st_mtime_ns, status.st_size)
    held = _held
    if held[0] != seen:
        held = _held = (seen, *_parsed(file))
    return held[1], held[2]


def _parsed(file: Path) -> tuple[tuple[DatedRule, ...], list[str]]:
    try:
        rows: Any = tomllib.loads(file.read_text("utf-8")).get("rule", [])
    except (OSError, ValueError) as error:  # a TOMLDecodeError is one
        return (), [f"{file} cannot be read ({error})"]
    if not isinstance(rows, list):
        return (), [f"{file}: rules are written as [[rule]]"]
    found, wrong = [], []
    for number, row in enumerate(rows, 1):
        why = _trouble(row)
        if why:
            wrong.append(f"{file}, rule {number} is left out: {why}")
        else:
            found.append(DatedRule(**row))
    return tuple(found), wrong


def _trouble(row: Any) -> str:
    """What is wrong with a row, in a few words; "" where nothing is."""
    if not isinstance(row, Mapping) or not isinstance(row.get("provider"), str):
        return 'it needs a provider, as provider = "openai"'
    if unknown := row.keys() - set(_NAMES):
        return f"it has {min(unknown)!r}.{did_you_mean(min(unknown), _NAMES)} A rule has {', '.join(_NAMES)}"
    for name in _NAMES:
        kind = Mapping if name in {"fields", "settings"} else str
        if name in row and not isinstance(row[name], kind):
            return f"{name} is {short(row[name])}"
    return trouble_of(row.get("fields", {}))


def trouble_of(fields_: Mapping[str, Any]) -> str:
    """What is wrong with what is said of fields, by their names, in a few words; "" where nothing is."""
    for names, changes in fields_.items():
        for name in names.split("|"):
            if name not in LOCAL:
                return f"there is no field {short(name)}.{did_you_mean(name, LOCAL)}"
        if not isinstance(changes, Mapping):
            return f"what becomes of {names} is a table, as {{ status = 'rejected' }}"
        if changes.get("status", STATUSES[0]) not in STATUSES:
            return f"the status of {names} is one of {', '.join(STATUSES)}; got {short(changes['status'])}"
        try:
            changed(FieldRule("honoured"), changes)
        except TypeError:
            return f"what becomes of {names} may be said by {', '.join(f.name for f in fields(FieldRule))}"
    return ""
