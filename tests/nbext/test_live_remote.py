"""A remote answer while it comes, in a real kernel: its first text at once, thoughts before it, what a failure left."""

from __future__ import annotations

import json
import math
import re
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.kernel import Kernel, Ran, streamed_text
from tests.providers.replay import Reply, Server, serve
from tests.providers.talk import SSE, sse

MIME = "application/vnd.modelhub.chat+json"
END: dict[str, Any] = {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}


def chunk(**delta: str) -> bytes:
    return sse({"choices": [{"index": 0, "delta": delta}]})


def lines(ran: Ran) -> list[str]:
    """The lines below the text that the widget was told to show."""
    told = [m["content"]["data"].get("content") or {} for m in ran.of("comm_msg")]
    return [message["p"] for message in told if "p" in message]


@pytest.fixture
def ask(one_kernel: Kernel) -> Iterator[Callable[..., Ran]]:
    """Runs `%%chat` against a provider that answers so."""
    servings: list[Any] = []

    def run(
        reply: Reply | list[Reply],
        line: str = "%%chat",
        mode: str = "widget",
        seen: Callable[[Ran], object] = lambda ran: None,
    ) -> Ran:
        servings.append(serve(reply))
        server: Server = servings[-1].__enter__()
        added = f"modelhub.hub().providers.add('corp', base_url={server.url + '/v1'!r}, dialect='generic')"
        setup = f"os.environ['MODELHUB_STREAM'] = {mode!r}\nif 'corp' in modelhub.hub().providers.all(): "
        setup += f"modelhub.hub().providers.remove('corp')\n{added}"
        setup += "\nmodelhub.hub().conversations = type(modelhub.hub().conversations)()"
        ready = one_kernel.run(setup)
        assert ready.ok, ready.error
        return one_kernel.run(f"{line} -m corp/m\nhi", interrupt=lambda ran: bool(seen(ran)) and False)

    yield run
    for serving in servings:
        serving.__exit__(None, None, None)


@pytest.mark.parametrize("line", ["%%chat", "%%time\n%%chat"], ids=["async", "sync"])
@pytest.mark.parametrize("mode", ["widget", "display"])
def test_the_first_text_is_shown_before_more_comes(ask: Callable[..., Ran], line: str, mode: str) -> None:
    """The first piece is on the screen while the provider holds back the rest."""
    first, gate = chunk(content="kelp "), threading.Event()
    body = first + chunk(content="drifts") + sse(END, "[DONE]")

    def seen(ran: Ran) -> None:
        if "kelp" in json.dumps([m["content"] for m in ran.messages]):
            gate.set()

    ran = ask(Reply(body, headers=SSE, gates={len(first): gate}), line, mode, seen)
    assert ran.ok and gate.is_set(), ran.error
    assert ran.text == "kelp drifts"


def test_thoughts_are_shown_until_the_answer_comes(ask: Callable[..., Ran]) -> None:
    """While it thinks, the end of the thoughts stands in the quiet line; the answer takes their place."""
    thought, gate = chunk(reasoning_content="weigh <b>it</b>"), threading.Event()
    body = thought + chunk(content="kelp") + sse(END, "[DONE]")

    def seen(ran: Ran) -> None:
        if any("weigh <b>it</b>" in line for line in lines(ran)):
            gate.set()

    ran = ask(Reply(body, headers=SSE, gates={len(thought): gate}), seen=seen)
    assert ran.ok and gate.is_set(), ran.error
    assert lines(ran)[0] == "thinking: weigh <b>it</b> …"
    assert streamed_text(ran) == ran.text == "kelp"
    (output,) = ran.outputs
    assert "thought for 2 words" in output["text/html"] and output[MIME]["choices"][0]["reasoning"] == "weigh <b>it</b>"


def test_a_dry_run_shows_what_the_provider_would_be_sent(ask: Callable[..., Ran]) -> None:
    """`--dry-run` shows our request and the exact HTTP request it becomes, without a key; nothing is sent."""
    ran = ask(Reply(status=500), line="%%chat --dry-run -t 0.5")
    ours, _, sent = ran.text.partition("\n\nPOST ")
    address, _, body = sent.partition("\n")
    assert json.loads(ours)["model"] == "corp/m"
    assert address.endswith("/v1/chat/completions")
    assert json.loads(body)["model"] == "m" and json.loads(body)["temperature"] == 0.5


def test_a_wait_is_counted_down(ask: Callable[..., Ran]) -> None:
    """While a provider asks to wait, the quiet line says why and how long; then the answer comes."""
    busy = Reply(b'{"error": {"message": "slow down"}}', 429, {"retry-after-ms": "1200"})
    ran = ask([busy, Reply(chunk(content="kelp") + sse(END, "[DONE]"), headers=SSE)])
    assert ran.ok and ran.text == "kelp", ran.error
    assert any("corp" in line and re.search(r"\d+ s", line) for line in lines(ran)), lines(ran)


@pytest.mark.parametrize("mode", ["widget", "display", "final"])
def test_a_truncated_answer_keeps_its_text(ask: Callable[..., Ran], mode: str) -> None:
    """What came of an answer that broke off stays in the cell, and the one line below it says how to go on."""
    ran = ask(Reply(chunk(content="kelp drifts"), headers=SSE), mode=mode)
    assert ran.text == "kelp drifts"
    assert ran.error.startswith("StreamTruncated: ") and "%chat --continue" in ran.error and "\n" not in ran.error
    assert " · failed" in ran.outputs[-1]["text/html"]


def test_a_terminal_says_what_is_beside_the_text(ask: Callable[..., Ran]) -> None:
    """Where text is printed, thoughts are counted and a tool call is one line."""
    call = {"index": 0, "id": "c", "type": "function", "function": {"name": "tide", "arguments": '{"port":"Brest"}'}}
    calls = sse({"choices": [{"index": 0, "delta": {"tool_calls": [call]}}]})
    body = chunk(reasoning_content="weigh it") + calls + sse(END, "[DONE]")
    printed = ask(Reply(body, headers=SSE), mode="text").stdout.splitlines()
    assert printed[0] == "(thought for 2 words; response.reasoning has them)"
    assert printed[1] == 'calls tide({"port":"Brest"})'
    assert printed[2].startswith("(corp/m at http://127.0.0.1:")


HUNG = Reply(chunk(content="kelp "), headers=SSE, then_hang_s=math.inf)
WAITS = {"before the answer": Reply(head_gate=threading.Event()), "in the answer": HUNG,
         "between two tries": Reply(b'{"error": {"message": "slow down"}}', 429, {"retry-after": "50"})}  # fmt: skip


@pytest.mark.parametrize("line", ["%%chat", "%%time\n%%chat"], ids=["async", "sync"])
@pytest.mark.parametrize("when", WAITS)
def test_an_interrupt_is_heard_wherever_it_waits(one_kernel: Kernel, when: str, line: str) -> None:
    """Stop ends the request and hangs up: while nothing came, within the answer, while it waits to ask again."""
    with serve(WAITS[when]) as server:
        added = f"modelhub.hub().providers.add('corp', base_url={server.url + '/v1'!r}, dialect='generic')"
        assert one_kernel.run(f"os.environ['MODELHUB_STREAM'] = 'widget'\n{added}").ok

        def asked(ran: Ran) -> bool:
            if when == "between two tries":
                return any("50 s" in told or "49 s" in told for told in lines(ran))
            return bool(server.requests) and (when == "before the answer" or "kelp" in streamed_text(ran))

        ran = one_kernel.run(f"{line} --new -m corp/m\nhi", interrupt=asked)
        assert ran.error.startswith("Stopped: ") and "\n" not in ran.error
        assert ("kelp" in ran.text) == (when == "in the answer")
        if when != "between two tries":  # then the connection is idle, and may be used again
            server.wait_closed(1)
        assert len(server.requests) == 1
        assert one_kernel.run("1 + 1").ok
