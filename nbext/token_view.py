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
SHOWN = 12  # characters of an alternative shown on hover

# Translucent, so that they sit on light and dark themes alike: (probability from, colour as #rgba).
TINTS = ((0.9, "#0a02"), (0.7, "#8a03"), (0.5, "#aa04"), (0.3, "#d804"), (0.1, "#e505"), (0.0, "#e226"))


def token_view(entries: list[dict[str, Any]]) -> str:
    """HTML of OpenAI's logprobs.content `entries`; under 100 bytes a token beside its text."""
    if not entries:
        return ""
    mean = sum(e["logprob"] for e in entries) / len(entries)
    line = "".join(_token(e) for e in entries)
    return (
        f'<div style="white-space:pre-wrap;line-height:1.9">{line}</div>'
        f'<div style="opacity:.65;font-size:85%">{len(entries)} tokens, perplexity {math.exp(-mean):.2f}; '
        "hover over a token for its alternatives</div>" + _table(entries)
    )


def _token(entry: dict[str, Any]) -> str:
    tops = [f"{_short(t['token'])} {_percent(t['logprob'])}" for t in entry["top_logprobs"][:HOVER]]
    hover = ", ".join(tops) or _percent(entry["logprob"])
    text = html.escape(_visible(entry["token"]), quote=False)
    return f'<span style=background:{_tint(entry["logprob"])} title="{html.escape(hover)}">{text}</span>'


def _table(entries: list[dict[str, Any]]) -> str:
    doubtful = sorted(range(len(entries)), key=lambda i: entries[i]["logprob"])[:DOUBTFUL]
    rows = []
    for i in sorted(doubtful):
        entry = entries[i]
        tops = " · ".join(
            f"{html.escape(_short(t['token']), quote=False)} {_percent(t['logprob'])}"
            for t in entry["top_logprobs"][:HOVER]
        )
        rows.append(
            f"<tr><td>{i}</td><td><code>{html.escape(_short(entry['token']), quote=False)}</code></td>"
            f"<td>{_percent(entry['logprob'])}</td><td>{entry['logprob']:.3f}</td><td>{tops}</td></tr>"
        )
    return (
        f"<details><summary>The {len(rows)} least certain tokens</summary><table><thead><tr><th>#</th><th>token</th>"
        f"<th>probability</th><th>logprob</th><th>most probable</th></tr></thead><tbody>{''.join(rows)}</tbody></table>"
        "</details>"
    )


def _tint(logprob: float) -> str:
    probability = math.exp(logprob)
    return next(colour for least, colour in TINTS if probability >= least)


def _percent(logprob: float) -> str:
    probability = 100 * math.exp(logprob)
    return f"{probability:.0f}%" if probability >= 9.95 else f"{probability:.1f}%" if probability >= 0.05 else "<0.1%"


def _visible(token: str) -> str:
    """A token as it stands in the running text; what cannot be seen gets a sign."""
    shown = displayable(token).replace("\n", "⏎\n")
    return shown or "∅"


def _short(token: str) -> str:
    """A token by itself: blanks and newlines can be seen."""
    shown = displayable(token).replace("\n", "⏎").replace("\t", "⇥").replace(" ", "␣") or "∅"
    return shown if len(shown) <= SHOWN else shown[: SHOWN - 1] + "…"
