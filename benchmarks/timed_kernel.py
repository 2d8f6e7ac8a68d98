"""A real kernel whose output messages are counted and timed as they arrive."""

from __future__ import annotations

import json
import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil  # type: ignore[import-untyped]  # psutil ships no types
import zmq
from jupyter_client.manager import KernelManager

from benchmarks.figure import Options

SECONDS = 90.0  # the most a cell may take, where the caller names no other time


@dataclass(frozen=True)
class Arrival:
    """One iopub message: seconds (monotonic) since the cell was sent, bytes on the wire, kind and content."""

    after: float
    size: int
    kind: str
    content: dict[str, Any]

    @property
    def added(self) -> str:
        """The text it adds to the stream widget, if it does."""
        if self.kind != "comm_msg":
            return ""
        return str((self.content["data"].get("content") or {}).get("d", ""))

    @property
    def shown(self) -> str | None:
        """The text/plain of a display or of an update of one."""
        if self.kind not in {"display_data", "update_display_data"}:
            return None
        text = self.content["data"].get("text/plain")
        return None if text is None else str(text)


@dataclass(frozen=True)
class Timed:
    """The output of one cell, with times and sizes. began: when it was sent, as `time.monotonic` has it."""

    arrivals: list[Arrival]
    began: float = 0.0

    @property
    def size(self) -> int:
        """Bytes of all messages: every frame, envelope included."""
        return sum(a.size for a in self.arrivals)

    @property
    def first_text(self) -> float:
        """Seconds from the cell's start to the first text of an answer."""
        updates = (a for a in self.arrivals if a.added or (a.kind == "update_display_data" and a.shown))
        return next(updates).after

    @property
    def streamed(self) -> str:
        """The text the stream widget was sent."""
        return "".join(a.added for a in self.arrivals)

    @property
    def last_shown(self) -> Arrival:
        """The last display or update of one: the finished answer."""
        return [a for a in self.arrivals if a.shown is not None][-1]

    @property
    def stdout(self) -> str:
        return "".join(str(a.content["text"]) for a in self.arrivals if a.kind == "stream")


class TimedKernel:
    """A kernel process with modelhub loaded, unless `load` is False, that streams to the widget.

    python: of another environment, with ipykernel; environment: variables besides.
    """

    def __init__(
        self, options: Options, load: bool = True, python: Path | None = None, environment: dict[str, str] | None = None
    ) -> None:
        variables = {**os.environ, "MODELHUB_HOME": str(options.home), "MODELHUB_STREAM": "widget"}
        self._manager = KernelManager()
        if python is not None:
            self._manager.kernel_spec.argv[0] = str(python)
        self._manager.start_kernel(env=variables | (environment or {}), extra_arguments=["--log-level=ERROR"])
        self._client = self._manager.blocking_client()
        self._client.start_channels()
        try:
            self._client.wait_for_ready(timeout=SECONDS)
        except RuntimeError:
            self.__exit__()
            raise
        self._pid = int(getattr(self._manager.provisioner, "pid"))  # noqa: B009 - the base class does not name it
        self._cells = 0
        if load:
            self.timed("%load_ext modelhub")

    def __enter__(self) -> TimedKernel:
        return self

    def __exit__(self, *_raised: object) -> None:
        self._client.stop_channels()
        self._manager.shutdown_kernel(now=True)
        self._manager.cleanup_resources()

    def timed(self, code: str, seconds: float = SECONDS) -> Timed:
        """Run a cell of its own id. Raises RuntimeError when it fails or takes longer than `seconds`."""
        self._cells += 1
        session, socket = self._client.session, self._client.iopub_channel.socket
        content = {"code": code, "silent": False, "store_history": True, "user_expressions": {},
                   "allow_stdin": False, "stop_on_error": False}  # fmt: skip
        message = session.msg("execute_request", content, metadata={"cellId": f"bench-{self._cells}"})
        ident = message["header"]["msg_id"]
        began = time.monotonic()
        self._client.shell_channel.send(message)
        arrivals: list[Arrival] = []
        while time.monotonic() < began + seconds:
            if not socket.poll(100, zmq.POLLIN):
                continue
            frames = socket.recv_multipart()
            after = time.monotonic() - began
            _, rest = session.feed_identities(frames)
            got = session.deserialize(rest)
            if got["parent_header"].get("msg_id") != ident:
                continue
            arrivals.append(Arrival(after, sum(map(len, frames)), got["msg_type"], got["content"]))
            if got["msg_type"] == "error":
                raise RuntimeError("\n".join(got["content"]["traceback"]))
            if got["msg_type"] == "status" and got["content"]["execution_state"] == "idle":
                self._client.get_shell_msg(timeout=SECONDS)
                return Timed(arrivals, began)
        raise RuntimeError(f"a cell did not end in {seconds:g} seconds: {code[:80]!r}")

    def data(self, code: str, seconds: float = SECONDS) -> Any:
        """What a cell prints, read as JSON."""
        return json.loads(self.timed(code, seconds).stdout)

    def cpu(self) -> float:
        """Seconds of CPU that the kernel has used, without its workers."""
        return cpu_of(self._pid)


def cpu_of(pid: int) -> float:
    """Seconds of CPU that a process has used."""
    times = psutil.Process(pid).cpu_times()
    return float(times.user + times.system)
