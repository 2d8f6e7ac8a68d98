"""The small widget that shows an answer while it comes. It is displayed before the request is sent and is swapped for
the finished bundle at the end.

Text travels as numbered additions, at most ten a second. The whole text also stands in a trait that is written without
telling the front end, so that a page that is loaded anew gets it with the widget's state.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import anywidget
import traitlets

from modelhub.nbext.markdown import displayable

STATIC = Path(__file__).resolve().parent / "static"


class StreamWidget(anywidget.AnyWidget):  # type: ignore[misc]  # anywidget and traitlets are not followed
    """Shows growing text."""

    _esm = (STATIC / "stream.js").read_text("utf-8")
    text = traitlets.Unicode("").tag(sync=True)
    count = traitlets.Int(0).tag(sync=True)

    def __init__(self) -> None:
        """An empty stream."""
        super().__init__()
        # ipykernel 7.4 would route this comm's messages to the shell that is busy with the cell (ipykernel #1565).
        # Left to the default they are handled while the cell runs.
        if hasattr(self.comm, "_reply_subshell_for"):
            self.comm._reply_subshell_for = lambda data, default: default
        self.on_msg(self._on_message)

    def add(self, text: str, progress: str = "") -> None:
        """Show more text, and below it what is being done beside it."""
        shown = displayable(text)
        if shown:
            self._trait_values["text"] = self.text + shown
            self._tell(d=shown, **({"p": displayable(progress)} if progress else {}))

    def progress(self, text: str) -> None:
        """Show what is being done, below the text there is."""
        self._tell(p=displayable(text))

    def _tell(self, **message: str) -> None:
        self._trait_values["count"] = self.count + 1
        self.send({"n": self.count, **message})

    def _on_message(self, _widget: Any, message: Any, _buffers: Any) -> None:
        if isinstance(message, dict) and message.get("t") == "resync":
            self.send({"n": self.count, "all": self.text})

    def __repr__(self) -> str:
        return "<answer>"
