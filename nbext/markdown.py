"""Safe HTML from what a model wrote. Model output is untrusted: JupyterLab runs what a cell's fresh output holds.

Markdown is rendered in the kernel by markdown-it-py with HTML off, then passed through nh3's allow-list. Images become
links, so that nothing is fetched; only http, https and mailto can be linked to.
"""

from __future__ import annotations

import functools
import html
import re
from typing import Any

# C0 and C1 controls but tab and newline; marks that change the direction of text; the byte order mark.
_UNSEEN = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff]")
_CELL = re.compile("<(t[dh])>")
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
    return _CELL.sub(r'<\1 style="text-align:left">', clean)


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
    return parser


def _image_as_link(_renderer: Any, tokens: list[Any], index: int, _options: Any, _env: Any) -> str:
    token = tokens[index]
    address = html.escape(str(token.attrGet("src") or ""))
    label = html.escape(token.content or "image")
    return f'<a href="{address}">{label}</a>'
