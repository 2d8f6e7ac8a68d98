"""`python -m modelhub.kernels.worker FD`: the worker's life, from the socket it inherits to the end of its kernel."""

from __future__ import annotations

import contextlib
import os
import queue
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable

from modelhub.kernels.processes import end_with_parent
from modelhub.kernels.worker.link import Link, Message

READ_TOKENS = 1 << 25  # for one scored text, in all of its windows


def main() -> None:
    """Serve one model to the kernel at the other end of the socket, and end with it."""
    end_with_parent()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C and the stop button are the kernel's to handle
    link = Link(socket.socket(fileno=int(sys.argv[1])))
    first = link.receive()
    if first is None:
        return
    Worker(link, first).serve()


class Worker:
    """Reads messages in a thread of its own; everything that touches llama.cpp runs in the main thread."""

    def __init__(self, link: Link, load: Message) -> None:
        """Load the model that `load` asks for, or say why not and exit."""
        self.link = link
        self.inbox: queue.SimpleQueue[Message] = queue.SimpleQueue()
        self._abort: Callable[[], None] = lambda: None
        self._finish: Callable[[], None] = lambda: None
        threading.Thread(target=self._read, name="modelhub-link", daemon=True).start()
        _log_to_stderr()
        from modelhub.kernels.worker.model import LoadedModel, LoadFailed
        from modelhub.kernels.worker.scheduler import Scheduler
        from modelhub.kernels.worker.state_files import StateFiles, identity

        try:
            self.model = LoadedModel(
                load["path"],
                load["load"],
                lambda part: link.send({"m": "progress", "part": round(part, 3)}),
                self._wait_for_room if load["ask"] else None,
            )
        except LoadFailed as error:
            link.send({"m": "failed", "text": str(error), "kind": error.kind, "memory": error.memory})
            sys.exit(3)
        self._abort = self.model.abort
        states = StateFiles(self.model.context, load.get("states"), identity(load["path"], load["load"]))
        self._finish = states.finish
        self.scheduler = Scheduler(self.model, link.send, states)
        facts = {"model": self.model.describe(), "gpu_memory": self.model.gpu_memory}
        link.send({"m": "ready", "pid": os.getpid(), **facts})

    def _wait_for_room(self, measure: Callable[[int | None], Message]) -> int | None:
        """Say what loading would take, as often as the kernel makes room, until it says go; what may be taken."""
        self.link.send({"m": "asks"})
        while (message := self.inbox.get())["m"] == "measure":
            self.link.send({"m": "needs", **measure(message["allowance"])})
        allowance: int | None = message["allowance"]
        return allowance

    def serve(self) -> None:
        """Handle messages and decode, until the kernel is gone."""
        while True:
            self.model.resume()
            with contextlib.suppress(queue.Empty):
                self.handle(self.inbox.get(block=self.scheduler.idle))
                while True:
                    self.handle(self.inbox.get_nowait())
            if not self.scheduler.idle:
                self.scheduler.step()

    def handle(self, message: Message) -> None:
        """Do what one message asks."""
        kind = message["m"]
        if kind == "chat":
            self._take(message, self._chat)
        elif kind == "score":
            self._take(message, self._score)
        elif kind == "cancel":
            self.scheduler.cancel(message["r"])
            self.link.send({"m": "cancelled", "r": message["r"]})  # also where it had ended: a sign of life
        elif kind == "status":
            self.link.send(self.scheduler.status())

    def _take(self, message: Message, begin: Callable[[Message], None]) -> None:
        """Begin a request, or say why not."""
        from modelhub.kernels.worker.scheduler import Busy
        from modelhub.kernels.worker.template import TemplateError

        try:
            begin(message)
        except TemplateError as error:
            self._refuse(message, "TemplateFailed", str(error))
        except Busy as error:
            self._refuse(message, "EngineBusy", str(error))
        except ValueError as error:
            self._refuse(message, "EngineFailed", str(error))
        except Exception as error:  # a defect ends the request it was found in, not those of others
            self._refuse(message, "EngineFailed", f"{type(error).__name__}: {error}")

    def _chat(self, message: Message) -> None:
        from modelhub.kernels.worker.template import TemplateError

        received = time.monotonic()
        model, plan = self.model, message["plan"]
        if model.template is None:
            raise TemplateError(model.template_error)
        prompt = model.template.render(message["messages"], message["tools"], **plan["chat_template_kwargs"])
        prompt += message.get("begun", "")  # of the answer, which goes on
        tokens = model.vocabulary.tokenize(prompt)
        seconds = time.monotonic() - received
        room, last = model.context_length, model.vocabulary.size - 1
        if len(tokens) >= room:
            self._refuse(message, "ContextTooLong", "", prompt_tokens=len(tokens), context=room)
        elif strange := [t for t in plan["logit_bias"] if int(t) > last]:
            self._refuse(message, "BadRequest", f"logit_bias: there is no token {strange[0]}, the last is {last}")
        elif not tokens:
            self._refuse(message, "BadRequest", "the rendered prompt has no tokens")
        else:
            self.link.send({"m": "prompt", "r": message["r"], "text": prompt})
            self.scheduler.submit(message, tokens, received, seconds)

    def _score(self, message: Message) -> None:
        """Take a text to be scored, as it is: no template, control tokens read as plain text."""
        vocabulary, room = self.model.vocabulary, self.model.context_length
        window = room if message["window"] is None else message["window"]
        stride = max(1, window // 2) if message["stride"] is None else message["stride"]
        tokens = vocabulary.tokenize(message["text"], special=False)
        count = 1 + max(0, -(-(len(tokens) - window) // max(1, stride)))
        refused = ""
        if not 2 <= window <= room:
            refused = f"window must be from 2 to {room}, the context it is loaded with; got {window}"
        elif not 1 <= stride < window:
            refused = f"stride must be from 1 to {window - 1}, one less than the window; got {stride}"
        elif len(tokens) < 2:
            refused = "a text to score needs two tokens at least: one to begin with, one to expect"
        elif count * window > READ_TOKENS:
            refused = (
                f"{count:,} windows of {window:,} tokens are more than the {READ_TOKENS:,} tokens that can be "
                "read for one text; take a larger stride"
            )
        if refused:
            self._refuse(message, "BadRequest", refused)
            return
        windows, counted = [], 1
        while counted < len(tokens):
            # The first window counts all of its tokens, each later one the `stride` that are new in it.
            end = min(len(tokens), window if counted == 1 else counted + stride)
            windows.append((max(0, end - window), end, counted))
            counted = end
        reading = {"window": window, "stride": stride, "windows": len(windows), "begins": vocabulary.adds_bos}
        self.link.send({"m": "scoring", "r": message["r"], **reading})
        self.scheduler.score(message, tokens, windows)

    def _refuse(self, message: Message, kind: str, text: str, **details: int) -> None:
        self.link.send({"m": "error", "r": message["r"], "kind": kind, "text": text, **details})

    def _read(self) -> None:
        """Pass messages on; a cancelled request stops the decode that is running. The kernel's end is ours."""
        while (message := self.link.receive()) is not None:
            self.inbox.put(message)
            if message["m"] == "cancel":
                self._abort()
        self._finish()
        os._exit(0)


def _log_to_stderr() -> None:
    """Have llama.cpp log to stderr, which the kernel reads into a ring: what it said last survives its crash."""
    import ctypes

    from llama_cpp import llama_cpp as lc

    none = ctypes.cast(ctypes.c_void_p(0), lc.llama_log_callback)
    lc.llama_log_set(none, ctypes.c_void_p(0))


if __name__ == "__main__":
    main()
