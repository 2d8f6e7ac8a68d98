"""How surprised a model was by a text, as ONE MIME bundle: the figures, the tinted text, its least probable tokens."""

from __future__ import annotations

import hashlib
import html
import os
import sys
from typing import Any

from modelhub.kernels.perplexity import Perplexity
from modelhub.kernels.protocol.events import LEAST, Progress
from modelhub.nbext.live import in_kernel, progress_line
from modelhub.nbext.markdown import displayable
from modelhub.nbext.token_view import token_lines, token_view

MIME = "application/vnd.modelhub.perplexity+json"
SHOWN = 2000  # tokens of the text that are shown and kept with their values: a notebook is no place for a book's


def bundle(result: Perplexity) -> dict[str, Any]:
    """The data of one output: the figures as text, the token view as HTML, the record."""
    warnings = [displayable(w) for w in result.warnings]
    lines = [displayable(repr(result)), *(f"({w})" for w in warnings)]
    return {
        "text/plain": "\n".join(lines),
        "text/html": _line(result.figures(), ".85")
        + token_view(result.entries, _caption(result), SHOWN)
        + "".join(_line(f"⚠ {w}", ".6") for w in warnings),
        MIME: _record(result),
    }


class PerplexityView:
    """Shows how far the reading is, and puts the result in its place. Nothing is shown of what is quickly done."""

    def __init__(self) -> None:
        """Nothing is shown yet."""
        self._kernel = in_kernel()
        self._quiet = os.environ.get("MODELHUB_STREAM") == "final" or not (self._kernel or sys.stdout.isatty())
        self._handle: Any = None
        self._width = 0

    def progress(self, progress: Progress) -> None:
        """Show how far it is."""
        if self._quiet:
            return
        line = displayable(progress_line(progress))
        if not self._kernel:
            sys.stdout.write("\r" + line.ljust(self._width))
            sys.stdout.flush()
            self._width = len(line)
        elif self._handle is None:
            from IPython.display import display

            self._handle = display({"text/plain": line}, raw=True, display_id=True)
        else:
            self._handle.update({"text/plain": line}, raw=True)

    def finish(self, result: Perplexity | None) -> None:
        """Show the result; without one, take away what was shown."""
        from IPython.display import display

        if self._width:
            sys.stdout.write("\r" + " " * self._width + "\r")
            sys.stdout.flush()
        if result is not None and not self._kernel:
            lines = [bundle(result)["text/plain"], *token_lines(result.entries)]
            sys.stdout.write("".join(f"{line}\n" for line in lines))
        elif self._handle is not None:
            self._handle.update({"text/plain": ""} if result is None else bundle(result), raw=True)
        elif result is not None:
            display(bundle(result), raw=True)


def _caption(result: Perplexity) -> str:
    count = len(result.entries)
    part = f"the first {SHOWN:,} of {count:,} tokens; " if count > SHOWN else ""
    alternatives = any(e["top_logprobs"] for e in result.entries[1:2])
    return f"{part}hover over a token for its {'alternatives' if alternatives else 'probability'}"


def _line(text: str, opacity: str) -> str:
    return f'<div style="opacity:{opacity};font-size:85%">{html.escape(displayable(text), quote=False)}</div>'


def _record(result: Perplexity) -> dict[str, Any]:
    """The figures and the first SHOWN entries, rounded to six decimals; the whole text by its SHA-256."""
    data = result.to_dict()
    text = data.pop("text")
    entries = [_entry(e) for e in data.pop("entries")[:SHOWN]]
    data = {k: round(v, 6) if isinstance(v, float) else v for k, v in data.items()}
    return {"version": 1, **data, "sha256": hashlib.sha256(text.encode()).hexdigest(), "entries": entries}


def _entry(entry: dict[str, Any]) -> dict[str, Any]:
    """An entry as the record keeps it: its bytes only where the text does not say them."""
    value = entry["logprob"]
    short = {"token": entry["token"], "logprob": None if value is None else max(round(value, 6), LEAST)}
    if list(entry["token"].encode("utf-8", "replace")) != entry["bytes"]:
        short["bytes"] = entry["bytes"]
    if entry.get("top_logprobs"):
        short["top_logprobs"] = [_entry(t) for t in entry["top_logprobs"]]
    return short
