"""Replies with the faults of real servers: how many modelhub reads right, beside the official SDKs, by one judge."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from benchmarks.figure import Options, Row
from tests.providers.cases import cases
from tests.providers.outcome import Outcome, of_modelhub
from tests.providers.replay import Reply, serve
from tests.providers.sdks import KEY, of_anthropic, of_openai
from tests.providers.streams import DONE, chunk, event, said

TEXT = "kelp drifts slowly"
WHOLE = said("kelp ", "drifts ", "slowly")
HALF = event(chunk("kelp ")) + event(chunk("drifts "))
REST = event(chunk("slowly", "stop")) + DONE
RIGHT = {"text": TEXT, "finish": "stop"}
BROKEN = {"text": "kelp drifts ", "finish": None, "error": {}}
COUNTS = {"prompt": 9, "completion": 4, "total": 13}
USAGE = {"prompt_tokens": 9, "completion_tokens": 4, "total_tokens": 13}
CALLED = {"finish": "tool_calls", "tool_calls": [["c1", "tide", {"port": "Brest"}]]}


@dataclass(frozen=True)
class Fault:
    """One streamed reply of OpenAI's dialect. number: of the fault catalogue."""

    number: int
    reply: Reply
    expect: dict[str, Any] = field(default_factory=lambda: RIGHT)


def _call(*pieces: dict[str, Any]) -> bytes:
    """A stream with pieces of tool calls."""
    return b"".join(event(chunk(tool_calls=[piece])) for piece in pieces) + event(chunk(finish="tool_calls")) + DONE


def _piece(arguments: Any, **more: Any) -> dict[str, Any]:
    named = {"name": more.pop("name")} if "name" in more else {}
    return {"type": "function", "function": {**named, "arguments": arguments}, **more}


def faults() -> list[Fault]:
    """What a reader of streams meets, by the rows of the catalogue; those of waits and lists are no matter of it."""
    error = {"error": {"message": "Overloaded", "type": "overloaded_error"}}
    after = {"text": "kelp drifts ", "error": {}}
    said_error = [event(error), event(error, "error"), event({"error": "text alone"}), b"event: error\ndata: gone\n\n",
                  event({"object": "error", "message": "cuda fell over", "code": 500}),
                  b'error: {"code":500,"message":"old style"}\n\n',
                  event({**chunk(finish="error"), "error": {"code": 502, "message": "beside"}})]  # fmt: skip
    empty: list[Any] = [{"choices": []}, {"choices": None}, {"id": "c1"}, {},
                        {"choices": [{"index": 0, "delta": None, "finish_reason": None}]},
                        {"choices": [{"index": 0, "finish_reason": None}]}]  # fmt: skip
    usage: list[bytes] = [
        said(TEXT, end={"choices": [], "usage": USAGE}),
        said(TEXT, end={"choices": [], "usage": {**USAGE, "prompt_tokens": 9.0, "completion_tokens": "4"}}),
        event({**chunk(TEXT), "usage": {**USAGE, "completion_tokens": 1}})
        + event({**chunk(finish="stop"), "usage": USAGE}) + event({"choices": [], "usage": None}) + DONE,
        said(TEXT, end={"choices": [], "x_groq": {"usage": USAGE}}),
    ]  # fmt: skip
    tide = '{"port": "Brest"}'
    calls = [
        _call(_piece(tide, index=0, id="c1", name="tide")),
        _call(_piece("", id="c1", name="tide"), _piece(tide)),
        _call(_piece("", index=0, id="c1", name="tide"), _piece(tide, index=0, id="c1", name="tide")),
        _call(_piece("", index=0, id="c1", name="tide"), _piece(tide, index=0, id="")),
        _call(_piece({"port": "Brest"}, index=0, id="c1", name="tide")),
        _call(_piece("", index=0, id="c1", name="tide"), _piece(tide, index=1, id=None)),
    ]
    two = {**CALLED, "tool_calls": [*CALLED["tool_calls"], ["c2", "tide", {"port": "Brest"}]]}
    raw = json.dumps(chunk("a\u2028b\x85c"), ensure_ascii=False).encode()
    html = b"<html><title>Sign in to the network</title></html>"
    as_json = {"content-type": "application/json"}
    whole = {
        "id": "c",
        "object": "chat.completion",
        "created": 1,
        "model": "m",
        "choices": [{"index": 0, "message": {"role": "assistant", "content": TEXT}, "finish_reason": "stop"}],
    }
    return [
        Fault(1, Reply(HALF, omit_last_chunk=True), BROKEN),
        Fault(1, Reply(HALF, rst_after_bytes=len(HALF)), BROKEN),
        Fault(2, Reply(HALF), BROKEN),
        Fault(2, Reply(HALF, until_close=True), BROKEN),
        Fault(3, Reply(said("kelp ", "drifts ", "slowly", done=False))),
        Fault(3, Reply(said("kelp ", "drifts ", "slowly", finish=None)), {"text": TEXT, "finish": None}),
        *(Fault(5, Reply(HALF + one), after) for one in said_error),
        *(Fault(13, Reply(event(one) + HALF + event(one) + REST)) for one in empty),
        *(Fault(14, Reply(one), {**RIGHT, "usage": COUNTS}) for one in usage),
        Fault(15, Reply(WHOLE, bytes_per_write=1)),
        Fault(16, Reply(b"\xef\xbb\xbf" + WHOLE)),
        Fault(16, Reply(WHOLE.replace(b"slowly", b"sl\xffwly")), {"text": "kelp drifts sl\ufffdwly", "finish": "stop"}),
        Fault(17, Reply(event(chunk()).replace(b"{}", b'{"content": "a\\ud83c"}', 1)
                        + event(chunk()).replace(b"{}", b'{"content": "\\udf0a"}', 1) + event(chunk(finish="stop"))
                        + DONE), {"text": "a🌊", "finish": "stop"}),
        Fault(18, Reply(WHOLE.replace(b"\n", b"\r\n"), bytes_per_write=1)),
        Fault(18, Reply(WHOLE.replace(b"\n", b"\r"))),
        Fault(19, Reply(b"data: " + raw + b"\n\n" + event(chunk(finish="stop")) + DONE),
              {"text": "a\u2028b\x85c", "finish": "stop"}),
        Fault(20, Reply(b": keep-alive\n\nretry: 3000\n\nid: 7\n\nfoo: bar\n\n" + WHOLE)),
        Fault(21, Reply(WHOLE.replace(b"data: ", b"data:"))),
        Fault(21, Reply(WHOLE.replace(b"data: ", b"data:  "))),
        Fault(21, Reply(b"data:\n\n" + WHOLE.replace(b"[DONE]", b"[DONE]  "))),
        Fault(22, Reply(HALF + b'data: {"choices": [{"index": 0,\ndata: "delta": {"content": "slowly"}, '
                        b'"finish_reason": "stop"}]}\n\n' + DONE)),
        Fault(23, Reply(HALF + event(chunk("slowly", "stop"))[:-2])),
        Fault(24, Reply(said("x" * (2 << 20))), {"text": "x" * (2 << 20), "finish": "stop"}),
        Fault(26, Reply(html, headers={"content-type": "text/html"}), {"text": "", "error": {}}),
        Fault(26, Reply(b""), {"text": "", "error": {}}),
        Fault(27, Reply(json.dumps(whole).encode(), headers=as_json, chunked=False)),
        Fault(27, Reply(json.dumps(error).encode(), headers=as_json, chunked=False), {"text": "", "error": {}}),
        Fault(27, Reply(WHOLE, headers={"content-type": "text/plain"})),
        Fault(30, Reply(HALF + event(chunk("slowly", "stop")) + event(chunk(finish="stop")) + DONE)),
        Fault(30, Reply(HALF + event(chunk("slowly", "length")) + event(chunk(finish="stop")) + DONE),
              {"text": TEXT, "finish": "length"}),
        Fault(31, Reply(HALF + event(chunk(finish="insufficient_system_resource")) + DONE),
              {"text": "kelp drifts ", "finish": "error"}),
        *(Fault(32, Reply(one), CALLED) for one in calls),
        Fault(32, Reply(_call(*(_piece(tide, index=0, id=ident, name="tide") for ident in ("c1", "c2")))), two),
        Fault(33, Reply(event(chunk(role="assistant", content=None)) + HALF + REST)),
        Fault(33, Reply(event(chunk(content=[{"type": "text", "text": "kelp "}])) + event(chunk("drifts ")) + REST)),
        Fault(34, Reply(event(chunk(reasoning="weigh it", reasoning_content="weigh it")) + HALF + REST),
              {**RIGHT, "reasoning": "weigh it"}),
        Fault(38, Reply(HALF + b'data: {"choices": [{]}\n\n' + REST), after),
    ]  # fmt: skip


def measure(options: Options) -> list[Row]:
    """Each reply is served on the loopback; right is: text, finish, counts, calls, and an error where there is one."""
    from modelhub.kernels.hub import Hub

    hub = Hub()

    def ours(url: str, dialect: str, stream: bool, asked: dict[str, Any]) -> Outcome:
        hub.providers.add("judged", base_url=url, dialect=dialect, key=KEY, settings={"tries": 1, "loading_s": 0})
        return of_modelhub(hub.chat("hi", model="judged/m", stream=stream, **asked))

    try:
        judged = faults()
        mine = _right(judged, lambda url: ours(url, "openai", True, {}))
        theirs = _right(judged, lambda url: of_openai(url, True))
        samples = [case for case in cases() if case.kind != "models"]
        other = {"anthropic", "cohere", "gemini", "ollama"}
        wire = sdk = family = 0
        for case in samples:
            path = "" if case.dialect in other else "/v1"
            stream = case.kind == "stream"
            asked = {k: v for k, v in case.request.items() if k != "stream_options"}
            with serve(case.reply()) as server:
                wire += not ours(f"{server.url}{path}", case.dialect, stream, asked).wrong(case.expect)
            if case.dialect in other - {"anthropic"}:
                continue
            family += 1
            with serve(case.reply()) as server:
                by = of_anthropic if case.dialect == "anthropic" else of_openai
                sdk += not by(f"{server.url}{path}", stream, **asked).wrong(case.expect)
    finally:
        hub.close()
    wrong = sorted({fault.number for fault, right in zip(judged, theirs, strict=True) if not right})
    missed = sorted({fault.number for fault, right in zip(judged, mine, strict=True) if not right})
    numbers = len({fault.number for fault in judged})
    return [
        Row("streams with faults read right", "all", _share(sum(mine), len(judged)), all(mine),
            f"{numbers} kinds of faults a reader of streams meets"
            + (f"; wrong: {', '.join(map(str, missed))}" if missed else "")),
        Row("the same, the openai SDK", "", _share(sum(theirs), len(judged)), None,
            f"peer, judged alike; wrong in kinds {', '.join(map(str, wrong))}"),
        Row("sample replies of providers read right", "all", _share(wire, len(samples)), wire == len(samples),
            "16 providers' chats, streams and errors, `tests/providers/wire`"),
        Row("the same, the openai and anthropic SDKs", "", _share(sdk, family), None,
            "peers, each with the replies of its own dialect, judged alike"),
    ]  # fmt: skip


def _right(judged: list[Fault], read: Callable[[str], Outcome]) -> list[bool]:
    """Whether each was read as it should be."""
    found = []
    for fault in judged:
        with serve(fault.reply) as server:
            found.append(not read(f"{server.url}/v1").wrong(fault.expect))
    return found


def _share(right: int, of: int) -> str:
    return f"{right} of {of} ({100 * right / of:.0f} %)"
