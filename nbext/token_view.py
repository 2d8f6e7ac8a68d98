"""The static token view: tokens tinted by their probability, alternatives on hover, a table of the doubtful ones.

Plain HTML with inline styles: no script, nothing to load, readable in a notebook that nobody runs.
"""

from __future__ import annotations

import html
import math
from typing import Any

from modelhub.nbext.markdown import displayable

DOUBTFUL = 8  # rows of the table
HOVER = 5  # alternatives shown on hover
SEEN = 0.0005  # alternatives less probable than this are left out on hover
SHOWN = 12  # characters of an alternative shown on hover

# Translucent, so that they sit on light and dark themes alike: (probability from, colour as #rgba).
TINTS = ((0.9, "#0a02"), (0.7, "#8a03"), (0.5, "#aa04"), (0.3, "#d804"), (0.1, "#e505"), (0.0, "#e226"))


def token_view(entries: list[dict[str, Any]]) -> str:
    """HTML of OpenAI's logprobs.content `entries`; under 100 bytes a token beside its text."""
    if not entries:
        return ""
    surprise = -sum(e["logprob"] for e in entries) / len(entries)
    perplexity = f"{math.exp(surprise):.2f}" if surprise < 50 else "beyond measure"
    count = f"{len(entries)} token{'' if len(entries) == 1 else 's'}"
    line = "".join(_token(e) for e in entries)
    return (
        f'<div style="white-space:pre-wrap;line-height:1.9">{line}</div>'
        f'<div style="opacity:.65;font-size:85%">{count}, perplexity {perplexity}; '
        "hover over a token for its alternatives</div>" + _table(entries)
    )


def token_lines(entries: list[dict[str, Any]]) -> list[str]:
    """The least certain tokens of `entries` as lines of text, for a terminal."""
    lines = []
    for index in _doubtful(entries):
        entry = entries[index]
        tops = "  ".join(f"{_short(t['token'])} {_percent(t['logprob'])}" for t in entry["top_logprobs"][:HOVER])
        lines.append(
            f"{index:>4}  {_short(entry['token']):<{SHOWN}}  {_percent(entry['logprob']):>5}   {tops}".rstrip()
        )
    return lines


def _doubtful(entries: list[dict[str, Any]]) -> list[int]:
    """Where the least certain tokens stand, in the order of the text."""
    return sorted(sorted(range(len(entries)), key=lambda i: entries[i]["logprob"])[:DOUBTFUL])


def _token(entry: dict[str, Any]) -> str:
    tops = [t for t in entry["top_logprobs"][:HOVER] if math.exp(t["logprob"]) >= SEEN]
    hover = ", ".join(f"{_short(t['token'])} {_percent(t['logprob'])}" for t in tops) or _percent(entry["logprob"])
    text = html.escape(_visible(entry["token"]), quote=False)
    return f'<span style=background:{_tint(entry["logprob"])} title="{html.escape(hover)}">{text}</span>'


def _table(entries: list[dict[str, Any]]) -> str:
    doubtful = _doubtful(entries)
    summary = f"The {len(doubtful)} least certain tokens" if len(doubtful) > 1 else "The least certain token"
    head = _row("th", ["#", "token", "probability", "logprob", "most probable"])
    rows = "".join(_row("td", _cells(i, entries[i])) for i in doubtful)
    return f"<details><summary>{summary}</summary><table><thead>{head}</thead><tbody>{rows}</tbody></table></details>"


def _cells(index: int, entry: dict[str, Any]) -> list[str]:
    tops = " · ".join(f"{_code(t['token'])} {_part(t)}" for t in entry["top_logprobs"][:HOVER])
    return [str(index), _code(entry["token"]), _part(entry), f"{entry['logprob']:.3f}", tops]


def _row(tag: str, cells: list[str]) -> str:
    """A row, aligned to the left: JupyterLab's own style aligns every cell to the right."""
    return "<tr>" + "".join(f'<{tag} style="text-align:left">{cell}</{tag}>' for cell in cells) + "</tr>"


def _code(token: str) -> str:
    return f"<code>{html.escape(_short(token), quote=False)}</code>"


def _part(entry: dict[str, Any]) -> str:
    return html.escape(_percent(entry["logprob"]))  # "<0.1%" has a character to escape


def _tint(logprob: float) -> str:
    probability = math.exp(logprob)
    return next(colour for least, colour in TINTS if probability >= least)


def _percent(logprob: float) -> str:
    probability = 100 * math.exp(logprob)
    return (
        f"{probability:.0f}%"
        if probability >= 9.95
        else f"{probability:.1f}%"
        if probability >= 100 * SEEN
        else "<0.1%"
    )


def _visible(token: str) -> str:
    """A token as it stands in the running text; what cannot be seen gets a sign."""
    shown = displayable(token).replace("\n", "⏎\n")
    return shown or "∅"


def _short(token: str) -> str:
    """A token by itself: blanks and newlines can be seen."""
    shown = displayable(token).replace("\n", "⏎").replace("\t", "⇥").replace(" ", "␣") or "∅"
    return shown if len(shown) <= SHOWN else shown[: SHOWN - 1] + "…"
