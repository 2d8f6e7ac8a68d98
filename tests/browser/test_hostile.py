"""What a model writes is untrusted: nothing of it runs, is fetched, or changes the page around it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Page, Request

from tests.browser.conftest import OpenNotebook
from tests.browser.hostile import PAYLOADS
from tests.browser.notebook import Notebook

# A finished answer made of the payloads, as `%chats` restores one from the log.
ANSWER = f"""from modelhub.kernels.response import Response
PAYLOADS = {PAYLOADS!r}
def answer(text, logprobs=False, **more):
    entry = lambda t: {{"token": t, "logprob": -0.5, "bytes": list(t.encode("utf-8", "replace"))}}
    entries = [{{**entry(p), "top_logprobs": [entry(p), entry("x")]}} for p in PAYLOADS]
    choice = {{"text": text, "logprobs": entries if logprobs else [], "tokens": 1, "finish_reason": "stop"}}
    request = {{"model": "tiny-chat", "messages": [{{"role": "user", "content": "x"}}]}}
    return Response.from_dict({{
        "id": "x", "created": 0, "request": {{**request, **({{"logprobs": True}} if logprobs else {{}})}},
        "choices": [choice], "warnings": [], "notes": [], "interrupted": False, "error": None,
        "usage": {{"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}},
        "debug": {{}}, **more}})"""
EACH = "for payload in PAYLOADS:\n    display(answer(payload))\nprint('shown')"
AT_ONCE = 'answer("\\n\\n".join(PAYLOADS), warnings=list(PAYLOADS), notes=list(PAYLOADS))'
TOKENS = "answer('x', logprobs=True)"
FORMS = """from modelhub.nbext.answer import FORMATS, bundle
for form in FORMATS:
    for payload in PAYLOADS:
        display(bundle(answer(payload), form)[0], raw=True)
print('shown')"""
STREAM = """from modelhub.nbext.stream_widget import StreamWidget
stream = StreamWidget()
display(stream)
for payload in PAYLOADS:
    stream.progress(payload)
    stream.add(payload + "\\n\\n")"""

# Every element of an output, with those of its attributes that could do something.
_ELEMENTS = """outputs => outputs.flatMap(o => [...o.querySelectorAll(':not(mjx-container, mjx-container *)')].map(
  e => [e.tagName.toLowerCase(), e.getAttributeNames()]))"""
# Where its elements lead. What JupyterLab itself makes a link of in text/plain is its own doing, but never a script.
_LINKS = """outputs => outputs.flatMap(o => [...o.querySelectorAll('*')].flatMap(e =>
  [...e.attributes].filter(a => /(^|:)(href|src|action|data)$/.test(a.name)).map(a => a.value)
  .filter(v => o.dataset.mimeType !== 'text/plain' || !v.startsWith('data:'))))"""
ALLOWED = {
    "a", "blockquote", "br", "code", "del", "details", "div", "em", "h1", "h2", "h3", "h4", "h5", "h6", "hr", "li",
    "ol", "p", "pre", "s", "span", "strong", "summary", "table", "tbody", "td", "th", "thead", "tr", "ul",
}  # fmt: skip
ATTRIBUTES = {"class", "data-mime-type", "href", "open", "rel", "role", "start", "style", "tabindex", "target", "title"}
_UNSEEN = "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u200e\u200f\u061c\x1b\x00\x08\x9b\ufeff"


class Watch:
    """What the page did while hostile text was shown."""

    def __init__(self, page: Page) -> None:
        """Nothing has fired."""
        self.page = page
        self.requests: list[str] = []
        page.evaluate("() => { window.calls = []; window.fired = what => window.calls.push(what ?? 'unnamed'); }")
        page.on("request", self._requested)
        self._home = urlsplit(page.url).netloc
        self._look = self._appearance()

    def _requested(self, request: Request) -> None:
        parts = urlsplit(request.url)
        if parts.scheme not in {"data", "blob"} and parts.netloc != self._home:
            self.requests.append(request.url)

    def _appearance(self) -> object:
        return self.page.evaluate(
            """() => [getComputedStyle(document.body).display, getComputedStyle(document.body).visibility,
              getComputedStyle(document.querySelector('.jp-Notebook')).opacity, document.baseURI, document.title,
              [...document.querySelectorAll('.jp-OutputArea *')].filter(
                e => ['fixed', 'sticky'].includes(getComputedStyle(e).position)).length]"""
        )

    def assert_harmless(self, notebook: Notebook, index: int) -> None:
        """Click every link and move over everything in a cell's output; nothing fires, is fetched or leaks out."""
        outputs = notebook.cell(index).locator(".jp-OutputArea-output")
        for link in outputs.evaluate_all(_LINKS):
            scheme = re.match(r"\s*([^/?#]*):", link)
            assert scheme is None or scheme[1].lower() in {"http", "https", "mailto"}, link
        outputs.evaluate_all(
            """outputs => outputs.forEach(o => o.querySelectorAll('*').forEach(e => {
              for (const kind of ['mouseover', 'mouseenter', 'focus', 'pointerdown', 'toggle'])
                e.dispatchEvent(new Event(kind, {bubbles: true}));
              const href = e.getAttribute('href') ?? '';
              if (!/^(https?|mailto):/.test(href)) e.dispatchEvent(new MouseEvent('click', {bubbles: true}));
            }))"""
        )
        self.page.evaluate("() => new Promise(done => requestIdleCallback(() => setTimeout(done, 50)))")
        assert self.page.evaluate("() => window.calls") == []
        assert self.requests == []
        assert self._appearance() == self._look
        assert self.page.evaluate("() => document.querySelectorAll('#jupyter-config-data').length") == 1

    def stop(self) -> None:
        """Watch no longer."""
        self.page.remove_listener("request", self._requested)


@pytest.fixture
def watch(open_notebook: OpenNotebook, lab_page: Page) -> Iterator[tuple[Notebook, Watch]]:
    """A notebook whose cells show hostile answers, and the watch over its page."""
    notebook = open_notebook(["%load_ext modelhub", ANSWER, EACH, AT_ONCE, TOKENS, FORMS, STREAM])
    notebook.run(0)
    notebook.run(1)
    watching = Watch(lab_page)
    yield notebook, watching
    watching.stop()


def test_a_finished_answer_is_harmless(watch: tuple[Notebook, Watch]) -> None:
    """Nothing of the payloads fires, and only elements and attributes that can do nothing are in the page."""
    notebook, watching = watch
    for index, least in ((2, len(PAYLOADS)), (3, 1), (4, 1), (5, 4 * len(PAYLOADS))):
        notebook.run(index)
        assert notebook.error(index) == ""
        assert notebook.answer(index).count() >= least
        watching.assert_harmless(notebook, index)
        elements = notebook.answer(index).evaluate_all(_ELEMENTS)
        assert {tag for tag, _ in elements} <= ALLOWED
        assert {name for _, names in elements for name in names} <= ATTRIBUTES
        assert not set(notebook.output(index).text_content() or "") & set(_UNSEEN)


def test_a_stream_is_harmless(watch: tuple[Notebook, Watch]) -> None:
    """While it streams, what a model writes is text: the widget holds no element but its own blocks."""
    notebook, watching = watch
    notebook.run(6)
    assert notebook.error(6) == ""
    notebook.wait_stream(6, sum(map(len, PAYLOADS)) // 2)
    watching.assert_harmless(notebook, 6)
    box = notebook.stream(6)
    assert box.evaluate("e => [...e.querySelectorAll('*')].filter(x => x.tagName !== 'DIV').length") == 0
    text = box.text_content() or ""
    assert "<script>fired('script')</script>" in text
    assert not set(text) & set(_UNSEEN)
