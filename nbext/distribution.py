"""One token's distribution as bars: what the model said, and what each answer's samplers left of it.

A table for a notebook (plain HTML, inline styles, no script) and the same as text for a terminal.
"""

from __future__ import annotations

import html
import math
from typing import Any

from modelhub.errors import BadRequest
from modelhub.kernels.response import Response
from modelhub.nbext.token_view import LEFT, bar, short

ROWS = 12  # tokens shown, beside those that were drawn
SAME = 0.02  # of a probability: two answers to one prompt differ by less before the samplers
BLOCKS, EIGHTHS = 12, " ▏▎▍▌▋▊▉"  # the longest bar of a terminal, in characters
DRAWN = "◂"  # marks the token that was drawn
THE_MODEL, UNFILTERED = "the model", "as it is"
HEADING = 22  # characters of a column's heading in a terminal

Column = dict[int, float | None]  # token id -> log probability, None: dropped; others were not among the alternatives


class Bars:
    """The distribution of one token, ready to be shown. Made by `bars`."""

    def __init__(self, responses: tuple[Response, ...], token: int) -> None:
        """See `bars`."""
        self._columns: list[tuple[str, Column, int]] = []  # heading, values, the token that was drawn or -1
        self._texts: dict[int, str] = {}
        befores: list[Column] = []
        for response in responses:
            entry = _entry(response, token)
            listed = [*entry["top_logprobs"], entry]
            before: Column = {t["id"]: t["logprob"] for t in listed}
            samplers = _samplers(response) if LEFT in entry else ""
            if not any(_same(before, known) for known in befores):
                befores.append(before)
                self._columns.append((THE_MODEL, before, -1 if samplers else entry["id"]))
            elif LEFT in entry:
                samplers = samplers or UNFILTERED
            if samplers:
                self._columns.append((samplers, {t["id"]: t[LEFT] for t in listed}, entry["id"]))
            self._texts |= {t["id"]: short(t["token"]) for t in (*entry["top_logprobs"][:ROWS], entry)}
        most = {t: max((_part(column.get(t)) for column in befores), default=0.0) for t in self._texts}
        self._tokens = sorted(self._texts, key=lambda t: -most[t])[:ROWS]
        self._tokens += [t for _, _, t in self._columns if t >= 0 and t not in self._tokens]
        self._tokens = list(dict.fromkeys(self._tokens))
        self._scale = max((_part(c.get(t)) for _, c, _ in self._columns for t in self._tokens), default=1.0) or 1.0

    def __repr__(self) -> str:
        width = max(5, *(len(self._texts[t]) for t in self._tokens))
        size = max(BLOCKS + 8, *(len(_cut(name)) for name, _, _ in self._columns))
        lines = ["token".ljust(width + 2) + "  ".join(_cut(name).ljust(size) for name, _, _ in self._columns)]
        for t in self._tokens:
            cells = [self._cell_text(column, t, drawn).ljust(size) for _, column, drawn in self._columns]
            lines.append(self._texts[t].ljust(width + 2) + "  ".join(cells))
        rest = [_percent(_rest(column, self._tokens)).ljust(size) for _, column, _ in self._columns]
        lines.append("others".ljust(width + 2) + "  ".join(rest))
        return "\n".join(line.rstrip() for line in lines)

    def _repr_html_(self) -> str:
        head = ["token", *(html.escape(name, quote=False) for name, _, _ in self._columns)]
        rows = [_row("th", head)]
        for t in self._tokens:
            name = f"<code>{html.escape(self._texts[t], quote=False)}</code>"
            rows.append(_row("td", [name, *(self._cell(column, t, drawn) for _, column, drawn in self._columns)]))
        rest = [_percent(_rest(column, self._tokens)) for _, column, _ in self._columns]
        rows.append(_row("td", ["others", *(html.escape(r) for r in rest)], ";opacity:.6"))
        return f"<table><thead>{rows[0]}</thead><tbody>{''.join(rows[1:])}</tbody></table>"

    def _cell(self, column: Column, token: int, drawn: int) -> str:
        if token not in column:
            return ""
        value = column[token]
        mark = f" {DRAWN}" if token == drawn else ""
        return bar(value, self._scale, _percent(_part(value)) + mark)

    def _cell_text(self, column: Column, token: int, drawn: int) -> str:
        if token not in column:
            return ""
        value = column[token]
        if value is None:
            return "dropped"
        eighths = round(8 * BLOCKS * _part(value) / self._scale)
        blocks = "█" * (eighths // 8) + EIGHTHS[eighths % 8].strip()
        return f"{blocks} {_percent(_part(value))}{f' {DRAWN}' if token == drawn else ''}".strip()


def bars(*responses: Response, token: int = 0) -> Bars:
    """The distribution of the `token`-th token of answers to one prompt, for a notebook or a terminal to show.

    The first column is what the model said, before any sampler. An answer that was asked for with
    `post_sampling_probs=True` has a column of its own, headed by the samplers that ran: what they left. The token that
    was drawn is marked. Waits for the end of the answers.

    responses: answers of `chat`, asked for with `logprobs=True, top_logprobs=20` or `n_probs`.
    token: 0 is the first of the answer, -1 the last.

    Raises BadRequest where an answer has no log probabilities or no such token, and what ended an answer badly.
    """
    if not responses:
        raise BadRequest("bars needs at least one response, as in bars(modelhub.chat('hi', n_probs=20))")
    return Bars(responses, token)


def _entry(response: Response, token: int) -> dict[str, Any]:
    if not isinstance(response, Response):
        raise BadRequest(f"bars shows responses, as modelhub.chat returns them; got {type(response).__name__}")
    if response.request.alternatives is None:
        raise BadRequest("the answer has no log probabilities: ask with n_probs=20, post_sampling_probs=True")
    entries = response.logprobs
    if not -len(entries) <= token < len(entries):
        raise BadRequest(f"token must be below {len(entries)}, the tokens of the answer; got {token}")
    return entries[token]


def _samplers(response: Response) -> str:
    """The samplers that ran, but for the draw itself."""
    return ", ".join(n for n in response.debug["sampling"] if not n.startswith("draw("))


def _same(one: Column, other: Column) -> bool:
    shared = one.keys() & other.keys()
    return bool(shared) and all(abs(_part(one[t]) - _part(other[t])) < SAME for t in shared)


def _part(logprob: float | None) -> float:
    return 0.0 if logprob is None else math.exp(logprob)


def _rest(column: Column, shown: list[int]) -> float:
    """The probability of all tokens that are not shown."""
    return max(0.0, 1.0 - sum(_part(column.get(t)) for t in shown))


def _percent(part: float) -> str:
    return f"{100 * part:.0f}%" if part >= 0.005 or part < 1e-6 else "<1%"


def _cut(name: str) -> str:
    return name if len(name) <= HEADING else name[: HEADING - 1] + "…"


def _row(tag: str, cells: list[str], more: str = "") -> str:
    """A row, aligned to the left: JupyterLab's own style aligns every cell to the right."""
    style = f'style="text-align:left;max-width:14em{more}"'
    return "<tr>" + "".join(f"<{tag} {style}>{cell}</{tag}>" for cell in cells) + "</tr>"
