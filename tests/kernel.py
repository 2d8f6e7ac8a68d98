"""A real IPython kernel, driven over its own protocol as a notebook drives it."""

from __future__ import annotations

import os
import queue
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from jupyter_client.manager import start_new_kernel

SECONDS = 90.0  # the most a cell may take on a slow machine
# Nothing that happens to be on this machine.
ALONE = {
    "MODELHUB_PLACES": "none",
    "MODELHUB_PLUGINS": "off",
    "PYTHON_KEYRING_BACKEND": "keyring.backends.null.Keyring",
}


@dataclass
class Ran:
    """What came of one cell: the messages its output is made of, in order."""

    messages: list[dict[str, Any]] = field(default_factory=list)
    reply: dict[str, Any] = field(default_factory=dict)
    interrupted_after: float | None = None  # seconds from the interrupt to the reply

    @property
    def ok(self) -> bool:
        return bool(self.reply.get("status") == "ok")

    @property
    def error(self) -> str:
        """`Name: message` of the error the cell ended with, as it is shown; else an empty string."""
        found = [m["content"] for m in self.messages if m["msg_type"] == "error"]
        return "\n".join(found[-1]["traceback"]) if found else ""

    @property
    def stdout(self) -> str:
        return "".join(m["content"]["text"] for m in self.of("stream") if m["content"]["name"] == "stdout")

    def of(self, *kinds: str) -> list[dict[str, Any]]:
        """The messages of these kinds."""
        return [m for m in self.messages if m["msg_type"] in kinds]

    @property
    def outputs(self) -> list[dict[str, Any]]:
        """The data of each output as a front end keeps it: updates applied, in the order they were displayed."""
        shown: list[tuple[str | None, dict[str, Any]]] = []
        for message in self.of("display_data", "execute_result", "update_display_data"):
            ident = message["content"].get("transient", {}).get("display_id")
            data = message["content"]["data"]
            at = next((i for i, (known, _) in enumerate(shown) if ident is not None and known == ident), None)
            if at is not None:
                shown[at] = (ident, data)
            elif message["msg_type"] != "update_display_data":
                shown.append((ident, data))
        return [data for _, data in shown]

    @property
    def text(self) -> str:
        """The text/plain of the last output."""
        return str(self.outputs[-1]["text/plain"]) if self.outputs else ""


class Kernel:
    """One kernel process; `stop` ends it."""

    def __init__(self, environment: dict[str, str]) -> None:
        env = {k: v for k, v in os.environ.items() if not k.startswith("MODELHUB_")}
        self.manager, self.client = start_new_kernel(env={**env, **ALONE, **environment})

    def run(
        self,
        code: str,
        cell: str | None = None,
        interrupt: Callable[[Ran], bool] | None = None,
    ) -> Ran:
        """Run a cell and wait for its end. `cell` is its cellId; the kernel is interrupted once `interrupt` says so."""
        content = {"code": code, "silent": False, "store_history": True, "user_expressions": {},
                   "allow_stdin": False, "stop_on_error": False}  # fmt: skip
        message = self.client.session.msg("execute_request", content, metadata={"cellId": cell} if cell else {})
        self.client.shell_channel.send(message)
        ident = message["header"]["msg_id"]
        ran, idle, sent = Ran(), False, 0.0
        end = time.monotonic() + SECONDS
        while not (idle and ran.reply):
            assert time.monotonic() < end, f"the cell did not end in {SECONDS:g} seconds: {code[:80]!r}"
            try:
                got = self.client.get_iopub_msg(timeout=0.02)
            except queue.Empty:
                got = None
            if got is not None and got["parent_header"].get("msg_id") == ident:
                if got["msg_type"] == "status":
                    idle = idle or got["content"]["execution_state"] == "idle"
                elif got["msg_type"] != "execute_input":
                    ran.messages.append(got)
            if interrupt is not None and not sent and interrupt(ran):
                sent = time.monotonic()
                self.manager.interrupt_kernel()
            if not ran.reply and idle:
                reply = self.client.get_shell_msg(timeout=SECONDS)
                if reply["parent_header"].get("msg_id") == ident:
                    ran.reply = reply["content"]
        if sent:
            ran.interrupted_after = time.monotonic() - sent
        return ran

    def value(self, expression: str) -> str:
        """The repr of an expression, evaluated in the kernel."""
        ran = self.run(f"print(repr({expression}))")
        assert ran.ok, ran.error
        return ran.stdout.rstrip("\n")

    @property
    def pid(self) -> int:
        return int(self.manager.provisioner.pid)

    def complete(self, code: str) -> list[str]:
        """What Tab offers at the end of `code`."""
        reply = self.client.complete(code, len(code), reply=True, timeout=SECONDS)
        return list(reply["content"]["matches"])

    def stop(self) -> None:
        self.client.stop_channels()
        self.manager.shutdown_kernel(now=True)
        self.manager.cleanup_resources()


def streamed_text(ran: Ran) -> str:
    """The text that the stream widget of a cell was sent, put together."""
    deltas = [m["content"]["data"].get("content") or {} for m in ran.of("comm_msg")]
    return "".join(d.get("d", "") for d in deltas)
