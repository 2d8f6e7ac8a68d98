"""Safe HTML from what a model wrote. Model output is untrusted: JupyterLab runs what a cell's fresh output holds.

Markdown is rendered in the kernel by markdown-it-py with HTML off, then passed through nh3's allow-list. Images become
links, so that nothing is fetched; only http, https and mailto can be linked to. A `$` that begins no formula is fenced
off, since JupyterLab would read two prices as one.
"""

from __future__ import annotations

import functools
import html
import re
from typing import Any

# C0 and C1 controls but tab and newline; marks that change the direction of text; the byte order mark.
_UNSEEN = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff]")
_CELL = re.compile("<(t[dh])>")
# $…$ or $$…$$, by Pandoc's rule (https://pandoc.org/MANUAL.html#extension-tex_math_dollars): no space inside its
# dollars, and no digit after the last: "$5 and $7" is none.
_FORMULA = re.compile(r"\$\$[^$]+\$\$|\$(?=[^\s$])[^$]*(?<!\s)\$(?!\d)")
_DOLLAR = "\x01"  # stands for a plain dollar until the HTML is made; `displayable` leaves no such character in a source
_PLAIN_DOLLAR = '<span class="mathjax_ignore tex2jax_ignore">$</span>'
_SURROGATE = re.compile("[\ud800-\udfff]")

TAGS = {
    "a", "blockquote", "br", "code", "del", "em", "h1", "h2", "h3", "h4", "h5", "h6", "hr", "li", "ol", "p", "pre",
    "s", "strong", "table", "tbody", "td", "th", "thead", "tr", "ul",
}  # fmt: skip
ATTRIBUTES = {"a": {"href", "title"}, "ol": {"start"}, "td": {"style"}, "th": {"style"}}
ALIGNED = {"text-align:left", "text-align:center", "text-align:right"}  # the only styles, of a table's cells
SCHEMES = {"http", "https", "mailto"}


def displayable(text: str) -> str:
    """`text` without control and bidirectional characters; half characters become U+FFFD. For display only."""
    return _SURROGATE.sub("\ufffd", _UNSEEN.sub("", text))


def to_html(source: str) -> str:
    """Safe HTML of Markdown `source`."""
    import nh3

    rendered = _parser().render(displayable(source))
    clean = nh3.clean(
        rendered, tags=TAGS, attributes=ATTRIBUTES, attribute_filter=_attribute, url_schemes=SCHEMES
    ).strip()
    # JupyterLab aligns every cell to the right that does not say otherwise.
    return _CELL.sub(r'<\1 style="text-align:left">', clean).replace(_DOLLAR, _PLAIN_DOLLAR)


def _attribute(_tag: str, name: str, value: str) -> str | None:
    return value if name != "style" or value in ALIGNED else None


def preformatted(text: str) -> str:
    """Safe HTML of `text` as it stands."""
    return f"<pre>{html.escape(displayable(text), quote=False)}</pre>"


@functools.cache
def _parser() -> Any:
    from markdown_it import MarkdownIt

    parser = MarkdownIt("commonmark", {"html": False, "linkify": False}).enable(["table", "strikethrough"])
    parser.add_render_rule("image", _image_as_link)
    parser.core.ruler.before("text_join", "plain_dollars", _plain_dollars)
    return parser


def _plain_dollars(state: Any) -> None:
    """Mark the dollars of texts that are no formula's. Code and links' addresses are left alone."""
    for block in state.tokens:
        run: list[Any] = []  # texts that a front end reads as one: what is between two tags
        for token in [*(block.children or ()), None]:
            if token is not None and token.type in {"text", "text_special", "softbreak"}:
                run.append(token)
                continue
            _mark([t for t in run if t.type != "softbreak"])
            run = []


def _mark(texts: list[Any]) -> None:
    for token in texts:
        if token.type == "text_special":  # a dollar that was written \\$
            token.content = token.content.replace("$", _DOLLAR)
    whole = "\n".join(token.content for token in texts)
    kept = {at for found in _FORMULA.finditer(whole) for at in range(*found.span())}
    marked = "".join(_DOLLAR if c == "$" and at not in kept else c for at, c in enumerate(whole))
    begin = 0
    for token in texts:
        token.content, begin = marked[begin : begin + len(token.content)], begin + len(token.content) + 1


def _image_as_link(_renderer: Any, tokens: list[Any], index: int, _options: Any, _env: Any) -> str:
    token = tokens[index]
    address = html.escape(str(token.attrGet("src") or ""))
    label = html.escape(token.content or "image")
    return f'<a href="{address}">{label}</a>'
