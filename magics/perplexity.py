"""`%perplexity` and `%%perplexity`: how surprised a model is by a text."""

from __future__ import annotations

import keyword
from collections import ChainMap
from pathlib import Path
from typing import Any

from modelhub.errors import BadRequest
from modelhub.magics.options import Option, help_text, parse, whole

TOP = 5  # alternatives a token, where --top names no number

OPTIONS = (
    Option(("-m", "--model"), "the model that reads: a name of %models, or the path of a .gguf file", "MODEL"),
    Option(("--window",), "the most tokens read at once, from 2, default: the model's context", "N", whole),
    Option(("--stride",), "new tokens in each window after the first, default: half of the window", "N", whole),
    Option(("--top",), f"alternatives kept of each token, 0 to 20, default {TOP}", "K", whole),
    Option(("--file",), "read this file (UTF-8) instead of a text", "PATH"),
    Option(("--set",), "put the result into this variable", "VAR"),
    Option(("--no-interp",), "read {{name}} as it stands"),
)

HELP = f"""Measure how surprised a model is by a text.

    %perplexity [flags] The capital of France is Paris.
    %perplexity [flags] {{{{variable}}}}
    %perplexity [flags] --file PATH

    %%perplexity [flags]
    The text, read as it stands: no chat template.

1 is certainty; blind guessing has the size of the vocabulary. The value (Out[n]) is a Perplexity: .perplexity, .nll
(nats a token), .bits_per_byte, .tokens, .entries, .least(), .to_dict(). Each token is tinted by its probability. A text
longer than the window is read in several windows; each token of a later one has at least window - stride before it.

{help_text(OPTIONS)}
"""


def run(shell: Any, line: str, body: str | None, magic: str) -> Any:
    """Read, show and return the result. Raises HubError, or Stopped for an interrupt."""
    from modelhub.kernels.hub import hub
    from modelhub.magics.formatters import mark_shown
    from modelhub.nbext.perplexity import PerplexityView

    values, tail = parse(line, OPTIONS, magic)
    variable = values.get("set")
    if variable is not None and (not variable.isidentifier() or keyword.iskeyword(variable)):
        raise BadRequest(f"--set needs the name of a variable; got {variable!r}")
    text, warnings = _text(shell, values, tail, body, magic)
    view, result = PerplexityView(), None
    try:
        result = hub().perplexity(
            text,
            model=values.get("model"),
            window=values.get("window"),
            stride=values.get("stride"),
            top=values.get("top", TOP),
            progress=view.progress,
        )
        result.warnings[:0] = warnings
    finally:
        view.finish(result)
    mark_shown(shell, result)
    if variable is not None:
        shell.user_ns[variable] = result
    return result


def _text(shell: Any, values: dict[str, Any], tail: str, body: str | None, magic: str) -> tuple[str, list[str]]:
    """The text to read, from the one place it stands in, and warnings about it."""
    from modelhub.magics.cells import recorded_errors
    from modelhub.magics.interpolate import interpolate

    # The notebook ends a cell with a newline of its own.
    below = (body or "").removesuffix("\n")
    given = [part for part in (tail, below) if part.strip()]
    path = values.get("file")
    if len(given) + (path is not None) > 1:
        places = "--file, the line or the lines below it" if body is not None else "--file or the line"
        raise BadRequest(f"{magic} reads one text: {places}; got more than one of them")
    if path is not None:
        return _of_file(path), []
    if not given:
        where = "on the lines below it" if body is not None else "behind the flags"
        raise BadRequest(f"{magic} has nothing to read: write the text {where}, or use --file PATH")
    if values.get("no_interp"):
        return given[0], []
    names = ChainMap({"In": shell.history_manager.input_hist_raw}, shell.user_ns)
    return interpolate(given[0], names, recorded_errors(shell))


def _of_file(path: str) -> str:
    """The text of a file. Raises BadRequest for one that is missing, too large or no text."""
    from modelhub.kernels.perplexity import MAX_BYTES

    file = Path(path).expanduser()
    try:
        if not file.is_file():
            what = "is a folder" if file.is_dir() else "is not there" if not file.exists() else "is no plain file"
            raise BadRequest(f"--file needs a text file; {path!r} {what}")
        if (size := file.stat().st_size) > MAX_BYTES:
            raise BadRequest(f"--file takes at most {MAX_BYTES:,} bytes; {path!r} has {size:,}: read it in parts")
        raw = file.read_bytes()
    except (OSError, ValueError) as error:
        raise BadRequest(f"--file: {path!r} cannot be read: {getattr(error, 'strerror', None) or error}") from None
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        found = f"the byte 0x{raw[error.start]:02x} at {error.start}"
        raise BadRequest(f"--file needs text in UTF-8; {path!r} is none: it has {found}") from None
    if "\0" in text:
        raise BadRequest(f"--file needs text in UTF-8; {path!r} is a binary file: it has zero bytes")
    if not text:
        raise BadRequest(f"--file: {path!r} is empty: there is nothing to read")
    return text
