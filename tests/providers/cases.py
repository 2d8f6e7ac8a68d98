"""Sample replies of providers, good and bad, and what must come of each: `wire/manifest.json`, the bodies beside it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.providers.replay import Reply

FOLDER = Path(__file__).parent / "wire"
HINTS = ("split_at", "chunked", "omit_last_chunk", "rst_after_bytes", "then_hang_s", "bytes_per_write", "delay_s")


@dataclass(frozen=True)
class Case:
    """One reply. kind: stream, chat, models or error. expect: what a right reader makes of it; see the manifest.

    dialect: a dialect or a packaged record. request: fields of the request that provoke it. transport: hints for
    `Reply`.
    """

    name: str
    dialect: str
    kind: str
    body: bytes = field(repr=False)
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    transport: Mapping[str, Any] = field(default_factory=dict)
    expect: Mapping[str, Any] = field(default_factory=dict)
    request: Mapping[str, Any] = field(default_factory=dict)
    note: str = ""

    def reply(self, **more: Any) -> Reply:
        """As a reply of the replay server; `more` are further fields of it."""
        hints = {k: v for k, v in self.transport.items() if k in HINTS}
        return Reply(**{"body": self.body, "status": self.status, "headers": self.headers, **hints, **more})


def cases(kind: str | None = None, dialect: str | None = None) -> list[Case]:
    """The cases of a kind and a dialect; all without them."""
    found = []
    for row in json.loads((FOLDER / "manifest.json").read_text("utf-8"))["cases"]:
        if kind in {None, row["kind"]} and dialect in {None, row["dialect"]}:
            known = {
                k: row[k] for k in ("dialect", "kind", "status", "headers", "transport", "expect", "note") if k in row
            }
            found.append(Case(row["file"], body=body(row["file"]), request=row.get("request", {}), **known))
    return found


def case(name: str) -> Case:
    """The case of this file name."""
    return next(c for c in cases() if c.name == name)


def body(name: str) -> bytes:
    """The bytes of a case; two are so large that they are made here."""
    match name:
        case "models_3000.json":
            rows = [
                {"id": f"org{i % 37}/m-{i:04}", "object": "model", "created": i, "owned_by": "o"} for i in range(3000)
            ]
            return json.dumps({"object": "list", "data": rows}, separators=(",", ":")).encode()
        case "wire_error_huge.json":
            return json.dumps({"error": {"message": "m" * 300_000}}, separators=(",", ":")).encode()
        case _:
            return (FOLDER / name).read_bytes()
