"""An answer while it comes: the ways to show it, and the loop that feeds them.

`widget` sends additions to a small widget at 10 Hz and swaps it for the finished bundle: the work is proportional to
the text. `display` updates the whole text, each time it has grown by a part of itself, where widgets are not to be had.
`final` shows the finished bundle alone: for CI, and what `--no-stream` asks for. `text` prints.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import sys
import time
from collections import deque
from typing import Any, Protocol

from modelhub.errors import BadRequest, Stopped
from modelhub.kernels.protocol.events import Progress
from modelhub.kernels.response import Response
from modelhub.nbext.answer import bundle, more_lines, quiet_line
from modelhub.nbext.markdown import displayable, preformatted
from modelhub.nbext.token_view import token_lines

TICK = 0.1  # seconds between two showings
GROWTH = 1.03  # `display` waits until the text is this much longer
TAIL = 400  # characters of what is thought that are shown while it comes
OPEN_WIDGETS = 8  # finished widgets kept open for pages that were loaded anew while they streamed
MODES = ("auto", "widget", "display", "final", "text")


class View(Protocol):
    """One way to show an answer."""

    def update(self, text: str, progress: Progress | None) -> None:
        """Show the text so far, or what is done before it comes."""

    def finish(self, response: Response) -> None:
        """Show the finished answer."""


def view(form: str, stream: bool = True) -> View:
    """The view that suits this front end, displayed and empty.

    `MODELHUB_STREAM` (one of MODES) decides where it is set. Raises BadRequest for another word in it.
    """
    mode = os.environ.get("MODELHUB_STREAM", "auto") or "auto"
    if mode not in MODES:
        raise BadRequest(f"MODELHUB_STREAM must be one of {', '.join(MODES)}; got {mode!r}")
    kernel = in_kernel()
    if mode == "text" or not kernel:
        return _TerminalView(form)
    if mode == "final" or not stream or _captured():
        return _FinalView(form)
    if mode == "auto":
        mode = "display" if _no_widgets() else "widget"
    if mode == "widget":
        with contextlib.suppress(ImportError):
            return _WidgetView(form)
    return _DisplayView(form)


def show(response: Response, on: View) -> None:
    """Show `response` on `on` until it ends. Raises what ended it badly, after what came has been shown."""
    seen, progress = 0, None
    try:
        while not response.done:
            response.wait_for_more(seen, progress)
            text = response.size > 0
            seen, progress = _update(response, on)
            if text:
                response.wait(TICK)
            else:
                response.wait_for_first(seen, TICK)  # which is shown at once
    except KeyboardInterrupt as interrupt:  # Stopped is one; a bare one came while something was being shown
        stopped = interrupt if isinstance(interrupt, Stopped) else response.stopped()
        on.finish(response)
        raise stopped from None
    _end(response, on)


async def show_async(response: Response, on: View) -> None:
    """As `show`, leaving the kernel's loop free: Stop and sliders live while it streams."""
    seen, progress = 0, None
    try:
        while not response.done:
            while not response.done and response.progress is progress and response.extent <= seen:
                await response.changed()
            text = response.size > 0
            seen, progress = _update(response, on)
            tick = time.monotonic() + TICK
            while not response.done and (left := tick - time.monotonic()) > 0:
                if not text and response.began(seen):
                    break  # the first text is shown at once
                await response.changed(only_end=text, seconds=left)
    except KeyboardInterrupt as interrupt:
        stopped = interrupt if isinstance(interrupt, Stopped) else response.stopped()
        on.finish(response)
        raise stopped from None
    _end(response, on)


def _update(response: Response, on: View) -> tuple[int, Progress | None]:
    seen, progress = response.extent, response.progress
    if not response.done:
        on.update(response.partial(), progress or _thinking(response) or _others(response))
    return seen, progress


def _thinking(response: Response) -> Progress | None:
    """What is thought, before there is an answer: its end, as much as a few lines hold."""
    thought = "" if response.partial() else response.thought
    if not thought.strip():
        return None
    tail = " ".join(thought[-TAIL:].split())
    return Progress(f"thinking: {'…' if len(thought) > TAIL else ''}{tail}")


def _others(response: Response) -> Progress | None:
    """How far the choices are whose text is not shown before the end."""
    count = response.count
    size = response.size - len(response.partial())
    return Progress(f"choice 1 of {count}; {size:,} characters of the others") if count > 1 and size > 0 else None


def _end(response: Response, on: View) -> None:
    on.finish(response)
    if response.error is not None:
        raise response.error
    if response.interrupted:
        raise Stopped("the answer was stopped; what came is kept", response)


class _WidgetView:
    def __init__(self, form: str) -> None:
        from IPython.display import display

        from modelhub.nbext.stream_widget import StreamWidget

        self._form, self._seen, self._progress = form, 0, ""
        self._widget = StreamWidget()
        shown = self._widget._repr_mimebundle_()
        data, metadata = shown if isinstance(shown, tuple) else (shown, {})
        self._handle = display({**data, "text/plain": ""}, metadata=metadata, raw=True, display_id=True)

    def update(self, text: str, progress: Progress | None) -> None:
        line = "" if progress is None else progress_line(progress)
        if len(text) > self._seen:
            self._widget.add(text[self._seen :], line)
            self._seen, self._progress = len(text), line
        elif line and line != self._progress:
            self._progress = line
            self._widget.progress(line)

    def finish(self, response: Response) -> None:
        self.update(response.partial(), None)
        data, metadata = _finished(response, self._form)
        self._handle.update(data, metadata=metadata, raw=True)
        _open_widgets.append(self._widget)
        while len(_open_widgets) > OPEN_WIDGETS:
            _open_widgets.popleft().close()


_open_widgets: deque[Any] = deque()


def close_widgets() -> None:
    """Close the widgets kept open for pages that were loaded anew."""
    while _open_widgets:
        _open_widgets.popleft().close()


class _DisplayView:
    def __init__(self, form: str) -> None:
        from IPython.display import display

        self._form, self._shown = form, 0
        self._handle = display({"text/plain": "…"}, raw=True, display_id=True)

    def update(self, text: str, progress: Progress | None) -> None:
        if text and len(text) >= self._shown * GROWTH:
            self._shown = len(text)
            self._handle.update({"text/plain": displayable(text), "text/html": preformatted(text)}, raw=True)
        elif progress is not None and not text:
            self._handle.update({"text/plain": progress_line(progress)}, raw=True)

    def finish(self, response: Response) -> None:
        data, metadata = _finished(response, self._form)
        self._handle.update(data, metadata=metadata, raw=True)


class _FinalView:
    def __init__(self, form: str) -> None:
        self._form = form

    def update(self, text: str, progress: Progress | None) -> None:
        """Nothing is shown before the end."""

    def finish(self, response: Response) -> None:
        from IPython.display import display

        data, metadata = _finished(response, self._form)
        display(data, metadata=metadata, raw=True)


class _TerminalView:
    def __init__(self, form: str) -> None:
        self._form, self._seen, self._progress = form, 0, ""

    def update(self, text: str, progress: Progress | None) -> None:
        if len(text) > self._seen:
            self._clear_progress()
            sys.stdout.write(displayable(text[self._seen :]))
            sys.stdout.flush()
            self._seen = len(text)
        elif progress is not None and not text and sys.stdout.isatty():
            line = progress_line(progress)
            room = shutil.get_terminal_size().columns - 1
            line = line if len(line) <= room else f"…{line[1 - room :]}"
            sys.stdout.write("\r" + line.ljust(len(self._progress)))
            sys.stdout.flush()
            self._progress = line

    def finish(self, response: Response) -> None:
        self.update(response.partial(), None)
        self._clear_progress()
        if self._seen and not response.partial().endswith("\n"):
            sys.stdout.write("\n")
        for index in range(response.count if not response.empty else 0):
            if index:
                sys.stdout.write(f"(choice {index + 1})\n{displayable(response.partial(index))}\n")
            sys.stdout.write("".join(f"{line}\n" for line in more_lines(response, index)))
        if response.request.alternatives is not None and response.error is None:
            sys.stdout.write("".join(f"{line}\n" for line in token_lines(response.to_dict()["choices"][0]["logprobs"])))
        for line in [*response.notes, *(f"warning: {w}" for w in response.warnings)]:
            sys.stdout.write(f"({displayable(line)})\n")
        if not response.empty:
            sys.stdout.write(f"({displayable(quiet_line(response))})\n")
        sys.stdout.flush()

    def _clear_progress(self) -> None:
        if self._progress:
            sys.stdout.write("\r" + " " * len(self._progress) + "\r")
            self._progress = ""


def _finished(response: Response, form: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """The bundle; empty where nothing came but an error, which is shown by itself."""
    if response.error is not None and response.empty:
        return {"text/plain": ""}, {}
    return bundle(response, form)


def progress_line(progress: Progress) -> str:
    """What is done before there is something to show, and how much of it."""
    part = "" if not progress.part else f" {100 * progress.part:.0f} %"
    return f"{displayable(progress.stage)}{part} …"


def in_kernel() -> bool:
    """Whether what is displayed goes to a notebook front end."""
    from IPython.core.getipython import get_ipython

    shell = get_ipython()
    return shell is not None and hasattr(shell, "kernel")


def _captured() -> bool:
    """Whether `%%capture` keeps what is displayed: it would keep the widget and the answer as two outputs."""
    from IPython.core.displaypub import CapturingDisplayPublisher
    from IPython.core.getipython import get_ipython

    return isinstance(get_ipython().display_pub, CapturingDisplayPublisher)


def _no_widgets() -> bool:
    """Whether this front end is known to fetch widgets from elsewhere, or not to show them."""
    return "google.colab" in sys.modules or "VSCODE_PID" in os.environ or "VSCODE_CWD" in os.environ
