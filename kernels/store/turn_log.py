"""The log of turns: one SQLite file in the home folder, so that what was said outlives the kernel that asked.

A turn is written when it begins, while it streams (about once a second) and when it ends. A log that cannot be written
costs a warning, never the answer. Keys are masked before they are written: known ones, and what looks like one.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import json
import os
import sqlite3
import threading
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

from modelhub.errors import HubError, StoreFailed
from modelhub.kernels import settings
from modelhub.kernels.redaction import may_hold_keys, scrub, scrub_data
from modelhub.kernels.response import Response

PARTIAL_SECONDS = 1.0

SCHEMA = """
CREATE TABLE IF NOT EXISTS turn (
    id TEXT PRIMARY KEY,          -- the response's id
    kernel TEXT NOT NULL,         -- a random name of the kernel that asked
    conversation TEXT,
    model TEXT NOT NULL,
    begun REAL NOT NULL,          -- seconds since 1970
    state TEXT NOT NULL,          -- running, done, stopped, failed
    request TEXT NOT NULL,        -- JSON
    text TEXT NOT NULL,           -- of the first choice, as far as it came
    response TEXT                 -- JSON of Response.to_dict, when it has ended
);
CREATE INDEX IF NOT EXISTS turn_by_time ON turn (begun);
"""


class TurnLog:
    """Writes turns in a thread of its own, in order."""

    def __init__(self, learn: Callable[[], object] = lambda: None) -> None:
        """Nothing is opened before the first turn. learn: meets the user's keys, so that they are known; see `met`."""
        self._learn = learn
        self.kernel = uuid.uuid4().hex[:8]
        self._executor: concurrent.futures.ThreadPoolExecutor | None = None
        self._connection: sqlite3.Connection | None = None
        self._reported = ""
        self._swapping = threading.Lock()

    def begin(self, response: Response, conversation: str | None) -> Record:
        """A record of a turn that begins now."""
        return Record(self, response, conversation)

    def recent(self, count: int = 20) -> list[dict[str, Any]]:
        """The latest turns of every kernel, newest first. Raises StoreFailed when the log cannot be read."""
        columns = ("id", "kernel", "conversation", "model", "begun", "state", "text", "request")
        query = f"SELECT {', '.join(columns)} FROM turn ORDER BY begun DESC LIMIT ?"
        rows = self._read(query, (count,))
        return [dict(zip(columns, row, strict=True)) for row in rows]

    def response(self, ident: str) -> Response:
        """The response whose id begins with `ident`, with or without its `chatcmpl-`.

        Of one that was cut off with its kernel, what had come. Raises StoreFailed when there is none, or several.
        """
        begin = f"chatcmpl-{ident.removeprefix('chatcmpl-')}"
        rows = self._read(
            "SELECT id, begun, request, text, response FROM turn WHERE substr(id, 1, length(?)) = ?", (begin, begin)
        )
        if len(rows) != 1:
            raise StoreFailed(f"{len(rows)} turns have an id that begins with {ident!r}; see %chats log")
        name, begun, request, text, response = rows[0]
        return Response.from_dict(
            json.loads(response) if response else _cut_off(name, begun, json.loads(request), text)
        )

    def close(self) -> None:
        """Finish what is being written and close the file."""
        with self._swapping:  # what comes meanwhile waits: the end of a turn must not be written before its beginning
            executor, self._executor = self._executor, None
            if executor is not None:
                executor.submit(self._close).result()
                executor.shutdown()

    def scrubbed(self, text: str) -> str:
        """`text` without keys."""
        self._learn()
        return scrub(text)

    def scrubbed_json(self, data: dict[str, Any]) -> str:
        """Data without keys, as JSON."""
        text = json.dumps(data)
        self._learn()
        if not may_hold_keys(text):
            return text
        clean: dict[str, Any] = scrub_data(data)
        if clean != data:
            _drop_pieces(clean)
        return json.dumps(clean)

    def submit(self, statement: str, values: tuple[Any, ...]) -> concurrent.futures.Future[None]:
        """Write in the log's thread."""
        with self._swapping:
            if self._executor is None:
                self._executor = concurrent.futures.ThreadPoolExecutor(1, thread_name_prefix="modelhub-log")
            return self._executor.submit(self._write, statement, values)

    def report(self, error: BaseException) -> str | None:
        """A warning for a log that cannot be written; None when the same was said before."""
        text = (
            f"this turn is not in the log: {path()} cannot be written ({error}); set MODELHUB_HOME to a folder that can"
        )
        if text == self._reported:
            return None
        self._reported = text
        return text

    def _write(self, statement: str, values: tuple[Any, ...]) -> None:
        if self._connection is None:
            settings.make_folder(path().parent)
            os.close(os.open(path(), os.O_RDWR | os.O_CREAT, 0o600))  # SQLite's other files get the rights of this one
            connection = sqlite3.connect(path(), timeout=5, check_same_thread=False)
            try:
                connection.execute("PRAGMA journal_mode=WAL")
                connection.execute("PRAGMA synchronous=NORMAL")
                connection.executescript(SCHEMA)
            except sqlite3.Error:
                connection.close()
                raise
            self._connection = connection
        with self._connection:
            self._connection.execute(statement, values)

    def _read(self, query: str, values: tuple[Any, ...]) -> list[Any]:
        if not path().exists():
            return []
        try:
            connection = sqlite3.connect(f"{path().as_uri()}?mode=ro", uri=True, timeout=5)
            try:
                return connection.execute(query, values).fetchall()
            finally:
                connection.close()
        except sqlite3.Error as error:
            if "no such table" in str(error):  # another kernel is just making it
                return []
            raise StoreFailed(f"the log {path()} cannot be read: {error}") from error

    def _close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None


class Record:
    """One turn's row."""

    def __init__(self, log: TurnLog, response: Response, conversation: str | None) -> None:
        """Write that the turn has begun."""
        self._log = log
        self._written = time.monotonic()
        request = log.scrubbed_json(response.request.to_dict())
        self._pending = [
            log.submit(
                "INSERT INTO turn VALUES (?, ?, ?, ?, ?, 'running', ?, '', NULL)",
                (response.id, log.kernel, conversation, response.request.model, time.time(), request),
            )
        ]

    def partial(self, response: Response) -> None:
        """Write what has come, if the last writing is long enough ago."""
        now = time.monotonic()
        if now - self._written >= PARTIAL_SECONDS:
            self._written = now
            self._pending.append(
                self._log.submit(
                    "UPDATE turn SET text = ? WHERE id = ?", (self._log.scrubbed(response.partial()), response.id)
                )
            )

    async def end(self, response: Response, data: dict[str, Any], error: HubError | None) -> str | None:
        """Write the end of the turn; a warning when the log could not be written, else None."""
        state = "failed" if error is not None else "stopped" if data["interrupted"] else "done"
        self._pending.append(
            self._log.submit(
                "UPDATE turn SET text = ?, state = ?, response = ? WHERE id = ?",
                (self._log.scrubbed(response.partial()), state, self._log.scrubbed_json(data), response.id),
            )
        )
        problems = await asyncio.gather(*map(asyncio.wrap_future, self._pending), return_exceptions=True)
        bad = next((p for p in problems if isinstance(p, BaseException)), None)
        return None if bad is None else self._log.report(bad)


def _drop_pieces(data: dict[str, Any]) -> None:
    """Leave out the tokens of a turn with a key in it: put together they would be the key."""
    for choice in data.get("choices", []):
        choice["logprobs"] = []
    if data.get("prompt_logprobs"):
        data["prompt_logprobs"] = []


def _cut_off(name: str, begun: float, request: dict[str, Any], text: str) -> dict[str, Any]:
    """What `Response.to_dict` would have said of a turn whose end was never written."""
    choices = [{"text": text, "logprobs": [], "tokens": 0, "finish_reason": None}]
    choices += [{**choices[0], "text": ""} for _ in range(request.get("n", 1) - 1)]
    return {
        "id": name,
        "created": int(begun),
        "request": request,
        "choices": choices,
        "usage": None,
        "debug": {},
        "warnings": [],
        "notes": ["the kernel ended while this was answered"],
        "interrupted": True,
        "error": None,
    }


def path() -> Path:
    """The log's file; it may not exist yet."""
    return settings.home() / "turns.sqlite"
