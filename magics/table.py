"""A table that is a value: rows for Python, text for a terminal, HTML for a notebook."""

from __future__ import annotations

import html
from collections.abc import Iterator, Sequence
from typing import Any

from modelhub.nbext.markdown import displayable

UNBROKEN = 32  # characters of a cell that stay in one line: names, sizes, states


class Table(Sequence[dict[str, Any]]):
    """Rows of equal keys. `t[0]["name"]` and iteration give the plain values; the display shows them for people."""

    def __init__(self, rows: Sequence[dict[str, Any]], shown: Sequence[dict[str, str]], note: str = "") -> None:
        """rows: plain values. shown: the same rows as text, a column a key. note: a line below."""
        self.rows = [dict(r) for r in rows]
        self._shown = [{k: displayable(v) for k, v in r.items()} for r in shown]
        self.note = displayable(note)

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: Any) -> Any:
        return self.rows[index]

    def __iter__(self) -> Iterator[dict[str, Any]]:
        return iter(self.rows)

    def __repr__(self) -> str:
        if not self._shown:
            return self.note or "(nothing)"
        columns = list(self._shown[0])
        widths = {c: max(len(c), *(len(r[c]) for r in self._shown)) for c in columns}
        lines = ["  ".join(c.ljust(widths[c]) for c in columns).rstrip()]
        lines += ["  ".join(r[c].ljust(widths[c]) for c in columns).rstrip() for r in self._shown]
        return "\n".join([*lines, *([self.note] if self.note else [])])

    def _repr_html_(self) -> str:
        lines = html.escape(self.note).replace("\n", "<br>")
        note = f'<div{_as_it_is(lines)} style="opacity:.6;font-size:85%">{lines}</div>' if lines else ""
        if not self._shown:
            return note or "<div>(nothing)</div>"
        columns = list(self._shown[0])
        left = 'style="text-align:left"'
        head = "".join(f"<th {left}>{html.escape(c)}</th>" for c in columns)
        body = "".join("<tr>" + "".join(_cell(r[c]) for c in columns) + "</tr>" for r in self._shown)
        return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>{note}"


def without_empty(shown: Sequence[dict[str, str]]) -> list[dict[str, str]]:
    """Rows of a table without the columns that say nothing."""
    said = {column for row in shown for column, text in row.items() if text}
    return [{column: text for column, text in row.items() if column in said} for row in shown]


def _cell(text: str) -> str:
    # JupyterLab would break "about 118 MB" before a longer text beside it.
    unbroken = ";white-space:nowrap" if len(text) <= UNBROKEN and (" " in text or "-" in text) else ""
    return f'<td{_as_it_is(text)} style="text-align:left{unbroken}">{html.escape(text)}</td>'


def _as_it_is(text: str) -> str:
    """What keeps a front end from reading two prices as one formula: `$0.4 and $1.6`."""
    return ' class="mathjax_ignore tex2jax_ignore"' if "$" in text else ""


def size_text(count: int | None) -> str:
    """Bytes for people: `2.7 MB` (powers of 1000, as disks and model hubs count)."""
    if count is None:
        return ""
    size = float(count)
    for unit in ("B", "kB", "MB"):
        if size < 999.5:
            return f"{size:.0f} {unit}" if unit == "B" or size >= 99.5 else f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:.1f} GB"
