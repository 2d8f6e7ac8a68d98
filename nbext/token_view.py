"""The static token view: tokens tinted by their probability, alternatives on hover, a table of the doubtful ones.

Where an entry says what the sampling filters left (`post_sampling_probs`), its alternatives have a bar before the
filters and one after them. Plain HTML with inline styles: no script, nothing to load, readable in a notebook that
nobody runs.
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
BAR, BESIDE = 6, 4  # em: the longest bar, and the room for its percentage
LEFT = "post_sampling_logprob"  # what the filters left, None where they dropped the token

# Translucent, so that they sit on light and dark themes alike: (probability from, colour as #rgba).
TINTS = ((0.9, "#0a02"), (0.7, "#8a03"), (0.5, "#aa04"), (0.3, "#d804"), (0.1, "#e505"), (0.0, "#e226"))
FILL = "#48ca"


def token_view(entries: list[dict[str, Any]], caption: str | None = None, shown: int | None = None) -> str:
    """HTML of OpenAI's logprobs.content `entries`; under 100 bytes a token beside its text.

    An entry whose logprob is None, as of the first token of a prompt, is shown without a tint and counts nowhere.
    caption: the line below the text; default: count and perplexity. shown: how many tokens of the text to show, default
    all; the table has the least certain ones of all.
    """
    if not entries:
        return ""
    entries = [_whole(e) for e in entries]
    known = [e["logprob"] for e in entries if e["logprob"] is not None]
    surprise = -sum(known) / max(1, len(known))
    perplexity = f"{math.exp(surprise):.2f}" if surprise < 50 else "beyond measure"
    count = f"{len(entries)} token{'' if len(entries) == 1 else 's'}"
    if caption is None:
        caption = f"{count}, perplexity {perplexity}; hover over a token for its alternatives"
    line = "".join(_token(e) for e in entries[:shown])
    return (
        f'<div style="white-space:pre-wrap;line-height:1.9">{line}</div>'
        f'<div style="opacity:.65;font-size:85%">{html.escape(caption, quote=False)}</div>' + _table(entries)
    )


def token_lines(entries: list[dict[str, Any]]) -> list[str]:
    """The least certain tokens of `entries` as lines of text, for a terminal."""
    lines = []
    entries = [_whole(e) for e in entries]
    for index in _doubtful(entries):
        entry = entries[index]
        tops = "  ".join(f"{short(t['token'])} {percent(t['logprob'])}" for t in entry["top_logprobs"][:HOVER])
        lines.append(f"{index:>4}  {short(entry['token']):<{SHOWN}}  {percent(entry['logprob']):>5}   {tops}".rstrip())
    return lines


def bar(logprob: float | None, scale: float = 1.0, said: str = "") -> str:
    """HTML of a probability as a bar and what is `said` of it, its percentage; None is a token that was dropped.

    scale: the probability whose bar is BAR em long, above 0 to 1; longer ones there are none.
    """
    whole = f"display:inline-block;width:{BAR + BESIDE}em;white-space:nowrap"
    if logprob is None:
        return f'<span style="{whole};opacity:.5">dropped</span>'
    length = BAR * min(math.exp(logprob) / scale, 1.0)
    filled = f"display:inline-block;width:{length:.2f}em;height:.7em;margin-right:.4em;background:{FILL}"
    return f'<span style="{whole}"><span style="{filled}"></span>{html.escape(said or percent(logprob))}</span>'


def percent(logprob: float) -> str:
    """A probability in percent, with the digits that count."""
    probability = 100 * math.exp(logprob)
    return (
        f"{probability:.0f}%"
        if probability >= 9.95
        else f"{probability:.1f}%"
        if probability >= 100 * SEEN
        else "<0.1%"
    )


def short(token: str) -> str:
    """A token by itself: blanks and newlines can be seen."""
    shown = displayable(token).replace("\n", "⏎").replace("\t", "⇥").replace(" ", "␣") or "∅"
    return shown if len(shown) <= SHOWN else shown[: SHOWN - 1] + "…"


def _whole(entry: dict[str, Any]) -> dict[str, Any]:
    """An entry whose alternatives are those that have a number: providers leave out what they do not know."""
    return {**entry, "top_logprobs": [t for t in entry.get("top_logprobs") or () if t["logprob"] is not None]}


def _doubtful(entries: list[dict[str, Any]]) -> list[int]:
    """Where the least certain tokens stand, in the order of the text."""
    known = [i for i, entry in enumerate(entries) if entry["logprob"] is not None]
    return sorted(sorted(known, key=lambda i: entries[i]["logprob"])[:DOUBTFUL])


def _token(entry: dict[str, Any]) -> str:
    text = html.escape(_visible(entry["token"]), quote=False)
    if entry["logprob"] is None:
        return f"<span>{text}</span>"
    tops = [t for t in entry["top_logprobs"][:HOVER] if math.exp(t["logprob"]) >= SEEN]
    hover = ", ".join(f"{short(t['token'])} {_change(t)}" for t in tops) or _change(entry)
    return f'<span style=background:{_tint(entry["logprob"])} title="{html.escape(hover)}">{text}</span>'


def _change(entry: dict[str, Any]) -> str:
    """A probability, and what the filters made of it."""
    before = percent(entry["logprob"])
    if LEFT not in entry:
        return before
    return f"{before} → {'dropped' if entry[LEFT] is None else percent(entry[LEFT])}"


def _table(entries: list[dict[str, Any]]) -> str:
    doubtful = _doubtful(entries)
    if not doubtful:
        return ""
    summary = f"The {len(doubtful)} least certain tokens" if len(doubtful) > 1 else "The least certain token"
    filtered = any(LEFT in entry for entry in entries)
    most = "most probable, before the filters and after them" if filtered else "most probable"
    head = _row("th", ["#", "token", "probability", "logprob", most])
    rows = "".join(_row("td", _cells(i, entries[i])) for i in doubtful)
    return f"<details><summary>{summary}</summary><table><thead>{head}</thead><tbody>{rows}</tbody></table></details>"


def _cells(index: int, entry: dict[str, Any]) -> list[str]:
    tops = entry["top_logprobs"][:HOVER]
    if LEFT in entry:
        scale = max((math.exp(v) for t in tops for v in (t["logprob"], t[LEFT]) if v is not None), default=1.0)
        alternatives = "<br>".join(_before_and_after(t, scale or 1.0) for t in tops)
    else:
        alternatives = " · ".join(f"{_code(t['token'])} {_part(t)}" for t in tops)
    return [str(index), _code(entry["token"]), _part(entry), f"{entry['logprob']:.3f}", alternatives]


def _before_and_after(entry: dict[str, Any], scale: float) -> str:
    token = _code(entry["token"])
    name = f"<s>{token}</s>" if entry[LEFT] is None else token
    bars = "".join(bar(v, scale) for v in (entry["logprob"], entry[LEFT]))
    return f'<span style="display:inline-block;min-width:7em">{name}</span>{bars}'


def _row(tag: str, cells: list[str]) -> str:
    """A row, aligned to the left: JupyterLab's own style aligns every cell to the right."""
    return "<tr>" + "".join(f'<{tag} style="text-align:left">{cell}</{tag}>' for cell in cells) + "</tr>"


def _code(token: str) -> str:
    return f"<code>{html.escape(short(token), quote=False)}</code>"


def _part(entry: dict[str, Any]) -> str:
    return html.escape(percent(entry["logprob"]))  # "<0.1%" has a character to escape


def _tint(logprob: float) -> str:
    probability = math.exp(logprob)
    return next(colour for least, colour in TINTS if probability >= least)


def _visible(token: str) -> str:
    """A token as it stands in the running text; what cannot be seen gets a sign."""
    shown = displayable(token).replace("\n", "⏎\n")
    return shown or "∅"
