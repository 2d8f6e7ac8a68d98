"""What an answer has beside its text, on the screen: thoughts, tool calls, refusals, pictures; and whence it came."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Sequence
from typing import Any

import pytest

from modelhub.errors import ProviderError
from modelhub.kernels.protocol.events import Called, Delta, Ended, Event, Pictured, Reasoned, Refused, Started
from modelhub.kernels.protocol.request import ChatRequest
from modelhub.kernels.response import Response
from modelhub.nbext.answer import FORMATS, MIME, bundle, more_lines, quiet_line
from tests.nbext.answers import Page, entry

URL = "https://api.corp.example/v1/chat/completions"
PNG = b"\x89PNG\r\n\x1a\n" + b"\x00" * 20
USED = {
    "prompt_tokens": 1900,
    "completion_tokens": 60,
    "total_tokens": 1960,
    "prompt_tokens_details": {"cached_tokens": 1024},
    "completion_tokens_details": {"reasoning_tokens": 12},
}
PRICES = {"prompt": 1.0, "completion": 5.0}
HOSTILE = '</summary></details><script>w()</script><img src=x onerror=w()>\u202e\x1b[0m"'


def data_url(data: bytes, kind: str = "image/png") -> str:
    return f"data:{kind};base64,{base64.b64encode(data).decode()}"


def remote(
    *events: Event,
    finish: str | None = "stop",
    native: str | None = None,
    usage: dict[str, Any] | None = None,
    url: str = URL,
    model: str = "corp/gpt-x",
    error: ProviderError | None = None,
    facts: dict[str, Any] | None = None,
    **fields: Any,
) -> Response:
    """A finished answer of the provider `corp`."""
    response = Response(ChatRequest.make(model=model, messages=[{"role": "user", "content": "q"}], **fields))
    known = {"engine": "http", "provider": "corp", "counts_tokens": False, "request": {"url": url}}
    known["resolved"] = {"model": "corp/gpt-x"}
    response.feed_all([Started({**known, **(facts or {})}), *events])
    if error is None:
        response.feed(Ended((finish,), (99,), usage or {}, natives=(native,)))
    response.settle(error)
    response.end()
    return response


def html(response: Response, form: str = "md") -> str:
    return str(bundle(response, form)[0]["text/html"])


def test_thoughts_are_folded_above_the_answer() -> None:
    """Thoughts stand above the answer in a closed <details> that says how long they are, and not in the plain text."""
    response = remote(Reasoned(0, "weigh *it* "), Reasoned(0, "well"), Delta(0, "**kelp**"))
    page = html(response)
    assert page.index("<details") < page.index("thought for 3 words") < page.index("<em>it</em>")
    assert page.index("</details>") < page.index("<strong>kelp</strong>") and "<details open" not in page
    assert bundle(response)[0]["text/plain"] == "**kelp**"
    assert more_lines(response) == ["(thought for 3 words; response.reasoning has them)"]
    assert "<details" not in html(remote(Delta(0, "kelp")))


def test_tool_calls_are_blocks() -> None:
    """A call is its name and its arguments, indented; one that was cut off says so and shows what came."""
    calls = (Called(0, 0, "c1", "tide", '{"port":"Brest"}'), Called(0, 1, "c2", "wind", '{"por'))
    response = remote(*calls, finish="tool_calls")
    page = html(response)
    assert 'calls <code>tide</code></div><pre>{\n  "port": "Brest"\n}</pre>' in page
    assert 'calls <code>wind</code> (cut off before its end)</div><pre>{"por</pre>' in page
    assert bundle(response)[0]["text/plain"] == 'calls tide({"port":"Brest"})\ncalls wind({"por) (cut off)'
    assert quiet_line(response).endswith(" · tool_calls")


def test_a_refusal_is_marked() -> None:
    """A refusal apart from the answer is marked as one."""
    response = remote(Refused(0, "I <b>cannot</b>."))
    assert "<strong>refused:</strong> I &lt;b&gt;cannot&lt;/b&gt;." in html(response)
    assert bundle(response)[0]["text/plain"] == "refused: I <b>cannot</b>."


@pytest.mark.parametrize("form", FORMATS)
def test_nothing_hostile_reaches_the_page(form: str) -> None:
    """Thoughts, names, arguments, refusals, addresses and the provider's words stay text, in every format."""
    response = remote(
        Reasoned(0, HOSTILE), Refused(0, HOSTILE), Called(0, 0, "c", HOSTILE, HOSTILE), Pictured(0, HOSTILE),
        Pictured(0, f"https://x.example/{HOSTILE}"), Pictured(0, f"data:image/svg+xml,{HOSTILE}"),
        Pictured(0, f"data:text/html;base64,{base64.b64encode(HOSTILE.encode()).decode()}"),
        Pictured(0, "javascript:w()"), finish="error", native=HOSTILE, url=f"https://{HOSTILE}.example/v1",
    )  # fmt: skip
    data, _ = bundle(response, form)
    page = Page(str(data.get("text/html", "")))
    assert not {"script", "img", "iframe", "b"} & set(page.tags)
    assert not [a for _, a, _ in page.attributes if a.startswith("on") or a == "src"]
    assert all(link.startswith("https://x.example/") for link in page.values("href"))
    for text in (data["text/plain"], str(data.get("text/html", "")), *more_lines(response)):
        assert "\u202e" not in text and "\x1b" not in text


def test_pictures_of_four_kinds_are_shown() -> None:
    """PNG, JPEG, GIF and WebP are shown from the bytes that came; the record has their sums, the plain text says so."""
    kinds = {
        "image/png": PNG, "image/jpeg": b"\xff\xd8\xff\xe0..", "image/gif": b"GIF89a..",
        "image/webp": b"RIFF\x04\x00\x00\x00WEBP",
    }  # fmt: skip
    response = remote(*(Pictured(0, data_url(data, kind)) for kind, data in kinds.items()))
    data, _ = bundle(response)
    page = Page(data["text/html"])
    assert page.values("src") == {data_url(content, kind) for kind, content in kinds.items()}
    sums = data[MIME]["choices"][0]["images"]
    assert sums[0] == {"type": "image/png", "bytes": len(PNG), "sha256": hashlib.sha256(PNG).hexdigest()}
    assert data["text/plain"].splitlines()[0] == "picture 1: image/png, 28 bytes; response.images[0] has it"
    assert base64.b64encode(PNG).decode() not in json.dumps(data[MIME])


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://x.example/a.png", 'picture 1: <a href="https://x.example/a.png" rel="noopener noreferrer">'),
        ("http://x.example/a.png", '<a href="http://x.example/a.png"'),
        ("file:///etc/passwd", "picture 1: file:///etc/passwd"),
        (data_url(b"<svg onload=w()>", "image/svg+xml"), "picture 1: image/svg+xml, 16 bytes; response.images[0] has"),
        (data_url(b"<script>", "image/png"), "picture 1: image/png, 8 bytes"),
        (data_url(b"RIFF....AVI ", "image/webp"), "picture 1: image/webp, 12 bytes"),
        ("data:image/png;base64,%%%", "picture 1: image/png; response.images[0] has it"),
        ("data:image/png,raw", "picture 1: image/png; response.images[0] has it"),
    ],
)
def test_other_pictures_are_said_and_not_loaded(url: str, shown: str) -> None:
    """An address is a link, which loads nothing; bytes that are not of their kind are described."""
    page = html(remote(Pictured(0, url)))
    assert shown in page and "<img" not in page


def test_large_pictures_are_not_put_into_the_notebook() -> None:
    """A picture of more than 8 MiB, and those that make more than 24 MiB together, are described."""
    large, small = (data_url(PNG + bytes(mib << 20)) for mib in (8, 7))
    assert "picture 1: image/png, 8,388,636 bytes;" in html(remote(Pictured(0, large)))
    shown = html(remote(*[Pictured(0, small)] * 4))
    assert shown.count("<img") == 3 and "picture 4: image/png" in shown


def test_it_says_where_the_answer_came_from() -> None:
    """The line below names the model and the host it was asked at; a name that stands for it is told with it."""
    assert quiet_line(remote(Delta(0, "x"))) == "corp/gpt-x at api.corp.example · stop"
    named = remote(Delta(0, "x"), model="fast", url="http://127.0.0.1:8080/v1/chat/completions")
    assert quiet_line(named) == "fast (corp/gpt-x) at http://127.0.0.1:8080 · stop"
    secret = remote(Delta(0, "x"), url="https://user:secret@x.example/v1")
    assert quiet_line(secret) == "corp/gpt-x at x.example · stop"
    _, metadata = bundle(named)
    assert metadata["modelhub"]["provider"] == {"name": "corp", "base": "http://127.0.0.1:8080"}


@pytest.mark.parametrize(
    ("made", "wanted"),
    [
        ({"usage": USED}, "1,900 tokens in (1,024 cached), 60 out (12 thinking) · stop"),
        ({"usage": {"completion_tokens": 5}}, "5 out · stop"),
        ({"usage": {"completion_tokens": 5, "completion_tokens_details": {"reasoning_tokens": "a"}}}, "5 out · stop"),
        ({"usage": {"completion_tokens": [5], "prompt_tokens_details": 7, "cost": "free"}}, "api.corp.example · stop"),
        ({"usage": {**USED, "cost": 0.0123}}, "60 out (12 thinking) · $0.0123 · stop"),
        ({"usage": {"prompt_tokens": 10, "completion_tokens": 1}, "facts": {"prices": PRICES}},
         "10 tokens in, 1 out · $0.000015 · stop"),
        ({"finish": "length"}, "cut at its limit"),
        ({"finish": "error", "native": "MALFORMED_CALL"}, "given up by the provider (MALFORMED_CALL)"),
        ({"finish": "content_filter", "native": "SAFETY"}, "content_filter (SAFETY)"),
        ({"finish": None}, "at api.corp.example"),
        ({"error": ProviderError("gone", kind="truncated", provider="corp")}, "failed"),
    ],
)  # fmt: skip
def test_the_line_below_a_remote_answer(made: dict[str, Any], wanted: str) -> None:
    """Tokens as the provider counted them, what they cost where that is known, and why it ended; nothing made up."""
    assert quiet_line(remote(Delta(0, "x"), **made)).endswith(wanted)


def test_the_record_keeps_what_came() -> None:
    """The evidence has thoughts, refusal, calls and the provider's finish reason; read from the log it is the same."""
    calls = Called(0, 0, "c1", "tide", "{}")
    response = remote(Reasoned(0, "hm"), Refused(0, "no"), calls, Delta(0, "x"), finish="error", native="OOPS")
    (choice,) = bundle(response)[0][MIME]["choices"]
    assert choice["reasoning"] == "hm" and choice["refusal"] == "no" and choice["native_finish_reason"] == "OOPS"
    assert choice["tool_calls"][0]["function"] == {"name": "tide", "arguments": "{}"}
    again = Response.from_dict(json.loads(json.dumps(response.to_dict())))
    assert bundle(again)[0] == bundle(response)[0]


def test_a_failed_answer_keeps_what_came() -> None:
    """What came before an error is shown, also where it was thoughts alone."""
    lost = ProviderError("gone", kind="truncated", provider="corp")
    assert "thought for 1 word" in html(remote(Reasoned(0, "hm"), error=lost))
    assert "half of" in html(remote(Delta(0, "half of"), error=lost))


ODD: Sequence[dict[str, Any]] = (
    {**entry("ke"), "bytes": None},
    {**entry("lp"), "logprob": None, "raw_logprob": "NaN"},
    {**entry("!", float("-inf")), "top_logprobs": [{"token": "?", "logprob": None, "bytes": None}]},
)  # fmt: skip


def test_log_probabilities_as_providers_send_them() -> None:
    """Tokens without bytes, without a number or with minus infinity are shown; those that are not all of the text do
    not hide the rest of it."""
    shown = html(remote(Delta(0, "kelp!", 0, tuple(ODD)), logprobs=True))
    assert Page(shown).text.startswith("kelp!")
    partly = html(remote(Delta(0, "kelp drifts", 0, (entry("ke"),)), logprobs=True))
    assert "kelp drifts" in partly and "1 token, perplexity" in partly
    none = html(remote(Delta(0, "kelp"), logprobs=True))
    assert "kelp" in none and "perplexity" not in none
    record = bundle(remote(Delta(0, "kelp!", 0, tuple(ODD)), logprobs=True))[0][MIME]
    assert [e["logprob"] for e in record["choices"][0]["logprobs"]] == [-0.5, None, -9999.0]
    json.dumps(record, allow_nan=False)
