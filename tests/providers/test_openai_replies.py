"""Replies of the dialect `openai`: every shape that a stream or a whole reply comes in."""

from __future__ import annotations

import itertools
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelhub.errors import ProviderError, StreamTruncated
from modelhub.kernels.protocol.events import Delta, Pictured, Refused, Started, Warned
from modelhub.kernels.providers.dialects import dialect
from modelhub.kernels.providers.dialects.dialect import Reader
from modelhub.kernels.providers.stream.server_event import ServerEvent
from tests.providers.openai_chunks import DONE, ENDS, chunk, text
from tests.providers.talk import JSON, answered, request, sse, target, told

USAGE = {"prompt_tokens": 9, "completion_tokens": 4, "total_tokens": 13}


def reader() -> Reader:
    """A reader of OpenAI's replies."""
    return dialect("openai").reader(request(), target("openai"))


def whole(message: dict[str, Any], finish: Any = "stop", **more: Any) -> bytes:
    """A reply that comes whole."""
    return json.dumps({"choices": [{"index": 0, "message": message, "finish_reason": finish}], **more}).encode()


STREAMS: dict[str, tuple[list[Any], str, str | None]] = {
    "role first, then empty, then text": (
        [chunk({"role": "assistant"}), chunk({"role": "assistant", "content": ""}), text("kelp"), ENDS, DONE],
        "kelp", "stop"),
    "content null": ([chunk({"content": None}), text("kelp"), ENDS, DONE], "kelp", "stop"),
    "role every chunk": ([chunk({"role": "assistant", "content": t}) for t in ("ke", "lp")] + [ENDS], "kelp", "stop"),
    "text on the finish chunk": ([text("ke"), chunk({"content": "lp"}, "stop"), DONE], "kelp", "stop"),
    "finish twice": ([text("kelp"), ENDS, ENDS, DONE], "kelp", "stop"),
    "another finish later": ([text("kelp"), ENDS, chunk({}, "length"), DONE], "kelp", "stop"),
    "finish empty, then said": ([chunk({"content": "kelp"}, ""), ENDS, DONE], "kelp", "stop"),
    "text after the finish": ([text("ke"), ENDS, text("lp"), DONE], "kelp", "stop"),
    "no [DONE]": ([text("kelp"), ENDS], "kelp", "stop"),
    "[DONE] and no finish": ([text("kelp"), DONE], "kelp", None),
    "[DONE] with blanks": ([text("kelp"), ENDS, "  [DONE] "], "kelp", "stop"),
    "choices null, absent, empty": (
        [{"choices": None}, {"id": "x"}, {"choices": []}, {}, text("kelp"), ENDS, DONE], "kelp", "stop"),
    "delta null, absent": (
        [chunk(None), {"choices": [{"index": 0}]}, {"choices": [{}]}, text("kelp"), ENDS, DONE], "kelp", "stop"),
    "choices of odd things": ([{"choices": [None, 5, "x"]}, text("kelp"), ENDS, DONE], "kelp", "stop"),
    "minimal keys": ([{"choices": [{"delta": {"content": "kelp"}}]}, {"choices": [{"finish_reason": "stop"}]}],
                     "kelp", "stop"),
    "index as text, null, below 0": (
        [{"choices": [{"index": i, "delta": {"content": t}}]} for i, t in (("0", "k"), (None, "el"), (-1, "p"))]
        + [DONE],
        "kelp", None),
    "a filter's chunk without a delta after the finish": (
        [text("kelp"), ENDS, {"choices": [{"index": 0, "content_filter_results": {}, "finish_reason": None}]}, DONE],
        "kelp", "stop"),
    "a message where a delta belongs": (
        [{"object": "chat.completion", "choices": [{"index": 0, "message": {"content": "kelp"}}]}], "kelp", None),
    "the whole text again at the end": (
        [text("ke"), text("lp"), {"choices": [{"index": 0, "message": {"content": "kelp"}, "finish_reason": "stop"}]}],
        "kelp", "stop"),
    "messages of the text so far": (
        [{"choices": [{"message": {"content": t}}]} for t in ("k", "ke", "kelp", "kelp")] + [DONE], "kelp", None),
    "the whole text again, without the blank at its end": (
        [text("kelp "), {"choices": [{"message": {"content": "kelp"}, "finish_reason": "stop"}]}], "kelp ", "stop"),
    "messages that are pieces": (
        [{"choices": [{"message": {"content": t}}]} for t in ("ke", "l", "p ", "ke", "l")] + [DONE], "kelp kel", None),
    "text beside the delta": (
        [{"choices": [{"index": 0, "delta": {"content": "kelp"}, "text": "kelp"}]}, ENDS, DONE], "kelp", "stop"),
    "parts": ([chunk({"content": [{"type": "text", "text": "ke"}, {"type": "text", "text": "lp"}]}), ENDS],
              "kelp", "stop"),
    "Together's eos": ([text("kelp"), chunk({}, "eos")], "kelp", "stop"),
    "Mistral's model_length": ([text("kelp"), chunk({}, "model_length")], "kelp", "length"),
    "DeepSeek gives up": ([text("kelp"), chunk({}, "insufficient_system_resource"), DONE], "kelp", "error"),
    "a finish nobody knows": ([text("kelp"), chunk({}, "moonphase"), DONE], "kelp", None),
    "a finish as an object": ([text("kelp"), chunk({}, {"type": "length", "length": 4})], "kelp", "length"),
    "an event for the page": ([{"type": "ping"}, text("kelp"), ENDS], "kelp", "stop"),
}  # fmt: skip


@pytest.mark.parametrize("name", STREAMS)
def test_streams(name: str) -> None:
    """The text and the finish reason are what was sent, and nothing else."""
    events, expected, finish = STREAMS[name]
    response = answered("openai", sse(*events, named=False))
    assert (response.text(), response.finish_reason) == (expected, finish)
    assert response.warnings == []


def test_odd_numbers_of_choices() -> None:
    """A choice whose number none can have counts by its place, so that no reply fills the memory with choices."""
    rows = [{"index": index, "delta": {"content": "x"}} for index in (10**9, -1, True)]
    found, ended = told("openai", sse({"choices": rows}, DONE, named=False))
    assert [e.index for e in found if isinstance(e, Delta)] == [0, 1, 2]
    assert len(ended.finish) == 3


def test_empty_data_is_no_event() -> None:
    """Events without data, and with blanks for data, say nothing."""
    reply = b"data:\n\ndata: \n\n" + sse(text("kelp"), ENDS, DONE, named=False)
    assert answered("openai", reply).text() == "kelp"


NATIVES = [
    ("stop", None, None),
    ("stop", "completed", "completed"),
    ("eos", None, "eos"),
    ("moonphase", None, "moonphase"),
    ("insufficient_system_resource", None, "insufficient_system_resource"),
]


@pytest.mark.parametrize(("finish", "own", "native"), NATIVES)
def test_native_finish_reasons(finish: str, own: str | None, native: str | None) -> None:
    """The provider's own word is kept where it says more than OpenAI's."""
    event = {"choices": [{"index": 0, "delta": {}, "finish_reason": finish, "native_finish_reason": own}]}
    assert answered("openai", sse(text("x"), event, named=False)).native_finish_reason == native


def test_a_stream_without_an_end_is_truncated() -> None:
    """Without finish and [DONE] the answer broke off, whatever came; so did one of which nothing came."""
    for events in ([text("kelp")], [], [{"id": "x"}], [chunk({}, "")]):
        with pytest.raises(StreamTruncated):
            told("openai", sse(*events, named=False))


def test_one_of_two_choices_without_an_end_is_truncated() -> None:
    """Each choice that began has to end."""
    events = [text("one", index=0), text("two", index=1), chunk({}, "stop", 0)]
    with pytest.raises(StreamTruncated):
        told("openai", sse(*events, named=False), asked=request(n=2))
    made = answered("openai", sse(*events, chunk({}, "length", 1), named=False), asked=request(n=2)).json()
    assert [(c["message"]["content"], c["finish_reason"]) for c in made["choices"]] == [
        ("one", "stop"), ("two", "length"),
    ]  # fmt: skip


def test_fewer_answers_than_asked_for_are_told() -> None:
    """A server that knows no n is told on."""
    response = answered("openai", sse(text("one"), ENDS, DONE, named=False), asked=request(n=2))
    assert response.warnings == ["2 answers were asked for, and OpenAI sent 1"]


def test_whole_replies() -> None:
    """A reply that comes whole is complete, also where it does not say why it ended."""
    for finish in ("stop", None):
        response = answered("openai", whole({"role": "assistant", "content": "kelp"}, finish), JSON)
        assert (response.text(), response.finish_reason, response.complete) == ("kelp", finish, True)
    blank = b"\n\n\n" + whole({"content": "kelp"})
    assert answered("deepseek", blank, JSON).text() == "kelp"


def test_what_is_no_reply() -> None:
    """JSON that is no completion is an error of the protocol."""
    for reply in ({"hello": 1}, [1], "x", None):
        with pytest.raises(ProviderError) as caught:
            reader().whole(reply)
        assert caught.value.kind == "protocol"


USAGES: dict[str, tuple[list[Any], dict[str, Any]]] = {
    "null until the last": ([text("x", usage=None), ENDS, {"choices": [], "usage": USAGE}], USAGE),
    "not the last chunk": (
        [text("x"), ENDS, {"choices": [], "usage": USAGE}, {"choices": [], "moderation": {}}], USAGE),
    "in every chunk, cumulative": (
        [text("x", usage={**USAGE, "completion_tokens": n}) for n in (1, 2, 4)] + [ENDS], USAGE),
    "after [DONE]": ([text("x"), ENDS, DONE, {"choices": [], "usage": USAGE}], USAGE),
    "on a chunk with a choice": ([text("x"), {**ENDS, "usage": {**USAGE, "cost": 0.5}}], {**USAGE, "cost": 0.5}),
    "under x_groq": ([text("x"), {**ENDS, "x_groq": {"id": "r", "usage": USAGE}}], USAGE),
    "a later x_groq without": ([text("x", x_groq={"usage": USAGE}), {**ENDS, "x_groq": {"id": "r"}}], USAGE),
    "in the choice": ([text("x"), {"choices": [{**ENDS["choices"][0], "usage": USAGE}]}], USAGE),
    "floats, text, null": (
        [text("x"), {**ENDS, "usage": {"prompt_tokens": 9.0, "completion_tokens": "4", "total_tokens": None}}],
        {"prompt_tokens": 9, "completion_tokens": 4}),
    "an empty one does not count": ([text("x", usage=USAGE), {**ENDS, "usage": {}}], USAGE),
    "details": (
        [text("x"), {**ENDS, "usage": {**USAGE, "prompt_tokens_details": {"cached_tokens": 5.0, "audio_tokens": None},
                                       "completion_tokens_details": {"reasoning_tokens": 2}}}],
        {**USAGE, "prompt_tokens_details": {"cached_tokens": 5}, "completion_tokens_details": {"reasoning_tokens": 2}}),
    "DeepSeek's cache": (
        [text("x"), {**ENDS, "usage": {**USAGE, "prompt_cache_hit_tokens": 3}}],
        {**USAGE, "prompt_cache_hit_tokens": 3, "prompt_tokens_details": {"cached_tokens": 3}}),
    "details of no type": ([text("x"), {**ENDS, "usage": {**USAGE, "prompt_tokens_details": "many"}}], USAGE),
    "none": ([text("x"), ENDS], {}),
    "of no type": ([text("x", usage="lots"), {**ENDS, "usage": [1]}], {}),
}  # fmt: skip


@pytest.mark.parametrize("name", USAGES)
def test_usage(name: str) -> None:
    """The last usage that says something counts, wherever it stands; counts are integers, nothing is added up."""
    events, expected = USAGES[name]
    assert answered("openai", sse(*events, named=False)).usage() == expected


def test_refusals() -> None:
    """A refusal is told apart from the text."""
    found, _ = told("openai", sse(chunk({"refusal": "I will "}), chunk({"refusal": "not"}), ENDS, named=False))
    assert found == [Refused(0, "I will "), Refused(0, "not")]


def test_pictures_and_sound() -> None:
    """Pictures are told; sound, which has no place, is named in a warning, once."""
    picture = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}
    events = [
        chunk({"content": "", "images": [picture]}),
        chunk({"audio": {"data": "x"}}),
        chunk({"audio": {"data": "y"}}),
    ]
    found, _ = told("openrouter", sse(*events, ENDS, named=False))
    assert found == [
        Pictured(0, "data:image/png;base64,AAAA"),
        Warned("a part of type 'audio' of the answer is left out; response.raw has it"),
    ]


def test_what_a_reply_says_of_itself() -> None:
    """Id and model are the first that are not empty; what only some say is kept, the last of it."""
    events = [
        {"id": "", "model": "", "system_fingerprint": {"no": "text"}, "choices": []},
        text("x", id="c2", model="m-2026", citations=["a"]),
        text("y", id="c3", model="other", citations=["a", "b"], provider="Acme"),
        {**ENDS, "system_fingerprint": "fp", "service_tier": "default"},
    ]
    reads = reader()
    first, second, *_ = [reads.event(ServerEvent(json.dumps(event))) for event in events]
    assert (first, second[0]) == ([], Started({"said": {"id": "c2", "model": "m-2026"}}))
    ended = reads.end()
    assert ended.details["said"] == {
        "id": "c2", "model": "m-2026", "system_fingerprint": "fp", "service_tier": "default",
    }  # fmt: skip
    assert ended.details["extra"] == {"provider": "Acme"}
    assert ended.details["citations"] == ["a", "b"]


def test_annotations() -> None:
    """What a search found is kept as it came, also over chunks."""
    notes = [{"type": "url_citation", "url_citation": {"url": f"https://{n}.example"}} for n in "ab"]
    events = [chunk({"content": "x", "annotations": [note]}) for note in notes]
    _, ended = told("openai", sse(*events, ENDS, named=False))
    assert ended.details["annotations"] == notes


def test_a_message_beside_the_delta_is_not_told_twice() -> None:
    """Perplexity repeats the text so far in every chunk, with usage and citations."""
    rows = [("kelp ", "kelp "), ("drifts", "kelp drifts")]
    events = [
        {"choices": [{"index": 0, "delta": {"content": new}, "message": {"content": so_far}}], "usage": USAGE}
        for new, so_far in rows
    ]
    last = {"choices": [{"index": 0, "delta": {"content": ""}, "message": {"content": "kelp drifts"},
                         "finish_reason": "stop"}], "object": "chat.completion.done", "usage": USAGE}  # fmt: skip
    response = answered("perplexity", sse(*events, last, named=False))
    assert (response.text(), response.usage()) == ("kelp drifts", USAGE)


ERRORS: dict[str, list[Any]] = {
    "an error object": [{"error": {"message": "boom", "type": "server_error"}}],
    "vLLM's older one": [{"object": "error", "message": "boom", "type": "InternalServerError", "code": 500}],
    "text": [{"error": "boom"}],
    "in a choice": [{"choices": [{"index": 0, "delta": {"content": ""}, "error": {"code": 502, "message": "boom"}}]}],
    "Groq's own": [{"choices": [], "x_groq": {"id": "r", "error": "boom"}}],
    "beside choices": [{"error": {"code": 502, "message": "boom"}, **chunk({"content": ""}, "error")}],
}


@pytest.mark.parametrize("name", ERRORS)
def test_errors_in_a_stream(name: str) -> None:
    """An error in a stream is an error, also after a status that says success."""
    with pytest.raises(ProviderError, match="boom"):
        told("openai", sse(text("kelp "), *ERRORS[name], DONE, named=False))


def test_a_named_error_event() -> None:
    """An event named error is one, in whatever shape."""
    for data in ('{"message": "boom", "code": 500}', '{"error": {"message": "boom"}}', "boom"):
        reply = sse(text("kelp "), named=False) + f"event: error\ndata: {data}\n\n".encode()
        with pytest.raises(ProviderError, match="boom"):
            told("groq", reply)


def test_text_beside_an_error_is_not_lost() -> None:
    """Text in the event of an error is told before the error is raised."""
    reads = reader()
    both = {"error": {"code": 502, "message": "boom"}, **chunk({"content": "kelp"}, "error")}
    assert Delta(0, "kelp", 0) in reads.event(ServerEvent(json.dumps(both)))
    for ask in (lambda: reads.event(ServerEvent(DONE)), reads.end):
        with pytest.raises(ProviderError, match="boom"):
            ask()


def test_broken_json_in_the_middle() -> None:
    """A line that is no JSON is an error that has the line; at the end of a stream that was cut it is the cut."""
    with pytest.raises(ProviderError) as caught:
        told("openai", sse(text("kelp"), '{"choices": [{"del', ENDS, named=False))
    assert (caught.value.kind, caught.value.raw) == ("protocol", '{"choices": [{"del')
    for odd in ("5", '"x"', "[1]", "[" * 100_000):
        with pytest.raises(ProviderError):
            told("openai", sse(odd, named=False))
    with pytest.raises(StreamTruncated):
        told("openai", sse(text("kelp"), named=False) + b'data: {"choices": [{"del')


def test_halves_of_characters() -> None:
    """The halves of a surrogate pair become one character, over chunks too; one alone becomes U+FFFD."""
    halves = [b'{"choices":[{"delta":{"content":"a\\ud83d"}}]}', b'{"choices":[{"delta":{"content":"\\ude00b"}}]}']
    reply = b"".join(b"data: " + half + b"\n\n" for half in halves) + sse(ENDS, named=False)
    assert answered("openai", reply).text() == "a\U0001f600b"
    alone = b"data: " + halves[0] + b"\n\n" + sse(ENDS, named=False)
    assert answered("openai", alone).text() == "a\ufffd"
    assert answered("openai", b"data: " + halves[1] + b"\n\n" + sse(ENDS, named=False)).text() == "\ufffdb"


@given(st.text(max_size=40), st.data())
def test_text_cut_anywhere_is_the_same(said: str, data: st.DataObject) -> None:
    """However a text is cut into chunks, in the middle of characters too, it is the same text."""
    units = said.encode("utf-16-le")
    cuts = sorted(2 * cut for cut in data.draw(st.lists(st.integers(0, len(units) // 2), max_size=6)))
    pieces = [units[a:b].decode("utf-16-le", "surrogatepass") for a, b in itertools.pairwise([0, *cuts, len(units)])]
    reads = reader()
    found = [told for event in (*map(text, pieces), ENDS) for told in reads.event(ServerEvent(json.dumps(event)))]
    assert "".join(told.text for told in found if isinstance(told, Delta)) == said
