"""Replies of the dialect `gemini`: every kind of part, whole replies and arrays, lists, and what goes back."""

from __future__ import annotations

import json
from typing import Any

import pytest

from modelhub.errors import ProviderError, StreamTruncated
from modelhub.kernels.protocol.events import Called, Delta, Event, Kept, Pictured, Reasoned, Started, Warned
from modelhub.kernels.providers.dialects import dialect
from modelhub.kernels.providers.stream.server_event import ServerEvent
from tests.providers.talk import CALL, JSON, PIXEL, TIDE, again, answer, request, sse, target, told

INF = float("inf")


def chunk(*parts: dict[str, Any], index: int = 0, finish: str | None = None, **more: Any) -> dict[str, Any]:
    """An event with one candidate."""
    reason = {"finishReason": finish} if finish else {}
    content = {"content": {"role": "model", "parts": list(parts)}} if parts else {}
    return {"candidates": [{"index": index, **content, **reason, **more}], "responseId": "r1"}


END = chunk({"text": ""}, finish="STOP")
USED = {"functionCall": {"name": "tide", "args": {"port": "Brest"}}}
SIGNED = {**USED, "thoughtSignature": "c2ln"}
SHOWN = f"data:image/png;base64,{PIXEL}"
CODE = {"executableCode": {"language": "PYTHON", "code": "1+1"}}
PARTS: list[tuple[str, list[dict[str, Any]], list[Event]]] = [
    ("text", [{"text": "kelp "}, {"text": "drifts"}], [Delta(0, "kelp ", 0), Delta(0, "drifts", 0)]),
    ("thoughts", [{"text": "weigh", "thought": True}, {"text": "kelp"}], [Reasoned(0, "weigh"), Delta(0, "kelp", 0)]),
    ("a call", [USED], [Called(0, 0, "call_0", "tide", '{"port": "Brest"}')]),
    (
        "a signed call, and one with an id",
        [SIGNED, {"functionCall": {"id": "f7", "name": "now"}}],
        [
            Called(0, 0, "call_0", "tide", '{"port": "Brest"}', {"google": {"thought_signature": "c2ln"}}),
            Called(0, 1, "f7", "now", "{}", {"google": {"id": "f7"}}),
        ],
    ),
    ("a picture", [{"inlineData": {"mimeType": "image/png", "data": PIXEL}}], [Pictured(0, SHOWN)]),
    (
        "a sound",
        [{"inlineData": {"mimeType": "audio/wav", "data": "AAAA"}}],
        [Warned("the answer has a part of type audio/wav, which is in response.raw alone")],
    ),
    (
        "a signature on text",
        [{"text": "kelp", "thoughtSignature": "c2ln"}],
        [Delta(0, "kelp", 0), Kept(0, ({"text": "kelp", "thoughtSignature": "c2ln"},))],
    ),
    ("a signature alone", [{"text": "", "thoughtSignature": "x"}], [Kept(0, ({"text": "", "thoughtSignature": "x"},))]),
    ("code that ran", [CODE, {"text": "2"}], [Kept(0, (CODE,)), Delta(0, "2", 0)]),
    ("a part of tomorrow", [{"aurora": 1}, {"text": "kelp"}], [Delta(0, "kelp", 0)]),
]  # fmt: skip


@pytest.mark.parametrize(("what", "parts", "found"), PARTS)
def test_parts(what: str, parts: list[dict[str, Any]], found: list[Event]) -> None:
    """Each kind of part is told as what it is, in order, streamed in its own event or with the others."""
    streamed = sse(*(chunk(p) for p in parts), END)
    assert told("gemini", streamed)[0] == found
    assert told("gemini", json.dumps(chunk(*parts, finish="STOP")).encode(), JSON)[0] == found


FINISHES = [
    ("STOP", "stop"), ("MAX_TOKENS", "length"), ("SAFETY", "content_filter"), ("RECITATION", "content_filter"),
    ("BLOCKLIST", "content_filter"), ("PROHIBITED_CONTENT", "content_filter"), ("SPII", "content_filter"),
    ("IMAGE_SAFETY", "content_filter"), ("LANGUAGE", "content_filter"), ("ESCALATION", "content_filter"),
    ("IMAGE_PROHIBITED_CONTENT", "content_filter"), ("IMAGE_RECITATION", "content_filter"),
    ("MALFORMED_FUNCTION_CALL", "error"), ("UNEXPECTED_TOOL_CALL", "error"), ("TOO_MANY_TOOL_CALLS", "error"),
    ("MISSING_THOUGHT_SIGNATURE", "error"), ("MALFORMED_RESPONSE", "error"), ("OTHER", "error"), ("NO_IMAGE", "error"),
    ("IMAGE_OTHER", "error"), ("FINISH_REASON_UNSPECIFIED", None), ("OF_TOMORROW", None),
]  # fmt: skip


@pytest.mark.parametrize(("reason", "finish"), FINISHES)
def test_finishes(reason: str, finish: str | None) -> None:
    """Every finish reason becomes OpenAI's, "error" or None, and is kept; the first one counts."""
    _, ended = told("gemini", sse(chunk({"text": "kelp"}), chunk(finish=reason), END))
    assert (ended.finish, ended.natives) == ((finish,), (reason,))


def test_what_is_known_of_a_reply_is_told_once() -> None:
    """Its id and its model are told with the first event that has them, its counts whenever they change."""
    asked = request()
    reader = dialect("gemini").reader(asked, target("gemini"))
    events = [
        chunk({"text": "a"}),
        {**chunk({"text": "b"}), "modelVersion": "m", "usageMetadata": {"promptTokenCount": 3}},
    ]
    found = [told_ for event in [*events, events[1], END] for told_ in reader.event(ServerEvent(json.dumps(event)))]
    assert [event.details for event in found if isinstance(event, Started)] == [
        {"said": {"id": "r1"}},
        {"said": {"model": "m"}},
        {"usage": {"prompt_tokens": 3}},
    ]


def test_an_answer_that_calls_ends_with_tool_calls() -> None:
    """Gemini says STOP for calls, too; OpenAI's shape says tool_calls."""
    assert told("gemini", sse(chunk(USED), END))[1].finish == ("tool_calls",)


def test_why_it_failed_is_told() -> None:
    """What Gemini says of a bad end is a warning."""
    events, _ = told("gemini", sse(chunk(finish="MALFORMED_FUNCTION_CALL", finishMessage="print(tide)")))
    assert events == [Warned("print(tide)")]


def test_a_prompt_that_is_blocked() -> None:
    """A blocked prompt is an answer that the content filter ended, not a stream that broke off."""
    events, ended = told("gemini", sse({"promptFeedback": {"blockReason": "SAFETY"}}))
    assert (events, ended.finish, ended.natives) == ([], ("content_filter",), ("SAFETY",))
    assert ended.details["promptFeedback"] == {"blockReason": "SAFETY"}


def test_several_candidates() -> None:
    """Candidates are choices, told apart by their index; one that has not ended is missed."""
    asked = request(n=2)
    begun = [chunk({"text": "a"}), chunk(USED, index=1), chunk(finish="STOP")]
    with pytest.raises(StreamTruncated):
        told("gemini", sse(*begun), asked=asked)
    events, ended = told("gemini", sse(*begun, chunk(index=1, finish="MAX_TOKENS")), asked=asked)
    assert events == [Delta(0, "a", 0), Called(1, 0, "call_0", "tide", '{"port": "Brest"}')]
    assert ended.finish == ("stop", "length")


def test_a_candidate_nobody_asked_for() -> None:
    """More candidates than asked for are told of once, and change nothing else."""
    events, ended = told(
        "gemini", sse(chunk({"text": "a"}), chunk({"text": "b"}, index=1), chunk({"text": "c"}, index=1), END)
    )
    assert [type(e) for e in events] == [Delta, Warned]
    assert ended.finish == ("stop",)


USAGES: list[tuple[list[dict[str, Any]], dict[str, Any]]] = [
    (
        [{"promptTokenCount": 7, "candidatesTokenCount": 5, "totalTokenCount": 22, "thoughtsTokenCount": 10}],
        {
            "prompt_tokens": 7,
            "completion_tokens": 15,
            "total_tokens": 22,
            "completion_tokens_details": {"reasoning_tokens": 10},
        },
    ),
    (
        [
            {"promptTokenCount": 7, "totalTokenCount": 7},
            {"promptTokenCount": 7, "candidatesTokenCount": 1, "totalTokenCount": 8, "cachedContentTokenCount": 4},
            {"promptTokenCount": 7, "candidatesTokenCount": 5, "totalTokenCount": 15, "toolUsePromptTokenCount": 3},
        ],
        {
            "prompt_tokens": 10,
            "completion_tokens": 5,
            "total_tokens": 15,
            "prompt_tokens_details": {"cached_tokens": 4},
        },
    ),
    ([{"promptTokenCount": 7, "totalTokenCount": 7}], {"prompt_tokens": 7, "total_tokens": 7}),
    ([], {}),
]


@pytest.mark.parametrize(("said", "usage"), USAGES)
def test_usage(said: list[dict[str, Any]], usage: dict[str, Any]) -> None:
    """The last counts of each kind hold, thoughts are part of the completion, the total is Google's."""
    events = [{**chunk({"text": "a"}), "usageMetadata": counts} for counts in said]
    assert told("gemini", sse(*events, END))[1].usage == usage
    late = sse(END, {"usageMetadata": {"promptTokenCount": 3}})
    assert told("gemini", late)[1].usage == {"prompt_tokens": 3}


def test_logprobs() -> None:
    """Log probabilities have OpenAI's shape; a zero, which protobuf leaves out, is one; none are made up."""
    drawn = {
        "chosenCandidates": [{"token": "Te", "tokenId": 3, "logProbability": -0.5}, {"token": "a", "tokenId": 4}],
        "topCandidates": [
            {
                "candidates": [
                    {"token": "Te", "tokenId": 3, "logProbability": -0.5},
                    {"token": "z", "logProbability": -INF},
                ]
            }
        ],
    }
    asked = request(logprobs=True, top_logprobs=2)
    events, ended = told("gemini", sse(chunk({"text": "Tea"}, logprobsResult=drawn), END), asked=asked)
    te = {"token": "Te", "logprob": -0.5, "bytes": None, "id": 3}
    entries = (
        {**te, "top_logprobs": [te, {"token": "z", "logprob": -INF, "bytes": None}]},
        {"token": "a", "logprob": 0.0, "bytes": None, "id": 4, "top_logprobs": []},
    )
    assert events == [Delta(0, "Tea", 2, entries)]
    assert ended.kept == (2,)
    alone, _ = told("gemini", sse(chunk(logprobsResult=drawn), END), asked=asked)
    assert alone == [Delta(0, "", 2, entries)]


def test_logprobs_that_do_not_come() -> None:
    """Log probabilities that were asked for and did not come are told of, once."""
    events, _ = told("gemini", sse(chunk({"text": "a"}), END), asked=request(logprobs=True))
    assert events[1:] == [Warned("Google Gemini sent no log probabilities, though they were asked for")]


def test_facts_are_kept_for_debug() -> None:
    """Citations, grounding and ratings are in the details, as they came."""
    cited = {"citationSources": [{"uri": "https://x.org"}]}
    _, ended = told("gemini", sse(chunk({"text": "a"}, citationMetadata=cited), END))
    assert ended.details["candidates"] == [{"citationMetadata": cited}]


ANSWER = [{"text": "weigh", "thought": True}, {"text": "Let me see."}, SIGNED]


def test_every_form_of_a_reply_is_one_answer() -> None:
    """A stream, also byte by byte and with CRLF, the array it is without alt=sse, and the whole give one answer."""
    counts = {"usageMetadata": {"promptTokenCount": 7, "candidatesTokenCount": 5, "totalTokenCount": 12}}
    rows = [*(chunk(p) for p in ANSWER), {**END, **counts}]
    whole = answer("gemini", json.dumps({**chunk(*ANSWER, finish="STOP"), **counts}).encode(), JSON, tools=[TIDE])
    streamed = sse(*rows)
    assert whole == answer("gemini", streamed, tools=[TIDE])
    assert whole == answer("gemini", streamed.replace(b"\n", b"\r\n"), tools=[TIDE])
    assert whole == answer("gemini", json.dumps(rows, indent=1).encode(), JSON, tools=[TIDE])
    assert told("gemini", streamed, step=1) == told("gemini", streamed)
    assert whole["choices"][0]["finish_reason"] == "tool_calls"


def test_what_came_goes_back() -> None:
    """The next request has each signature on its call; ids that we made up stay here."""
    sent = again("gemini", sse(*(chunk(p) for p in ANSWER), END), tools=[TIDE])["contents"]
    assert sent[1:] == [
        {"role": "model", "parts": [{"text": "Let me see."}, SIGNED]},
        {"role": "user", "parts": [{"functionResponse": {"name": "tide", "response": {"result": "6 m"}}}]},
    ]
    text = [chunk({"text": "kelp "}), chunk({"text": "drifts", "thoughtSignature": "x"}), END]
    assert again("gemini", sse(*text))["contents"][1]["parts"] == [
        {"text": "kelp "},
        {"text": "drifts", "thoughtSignature": "x"},
    ]


def test_pictures_go_back_with_their_signatures() -> None:
    """A picture of an answer goes back as it came, signed, so that it can be changed in the next."""
    data = {"inlineData": {"mimeType": "image/png", "data": PIXEL}}
    parts = [{**data, "thought": True}, {"text": "See:"}, data, {**data, "thoughtSignature": "x"}]
    assert told("gemini", sse(*(chunk(p) for p in parts), END))[0][1:] == [
        Pictured(0, SHOWN),
        Pictured(0, SHOWN),
        Kept(0, ({"picture": 1, "thoughtSignature": "x"},)),
    ]
    assert again("gemini", sse(*(chunk(p) for p in parts), END))["contents"][1]["parts"] == parts[1:]


def test_ids_that_are_made_up_are_new_in_the_conversation() -> None:
    """A call's made-up id is none that a call before it in the request has."""
    asked = request("hi", {"role": "assistant", "tool_calls": [CALL, {**CALL, "id": "t2"}]})
    assert told("gemini", sse(chunk(USED), END), asked=asked)[0] == [
        Called(0, 0, "call_2", "tide", '{"port": "Brest"}')
    ]


ERROR = {"error": {"code": 503, "message": "The model is overloaded.", "status": "UNAVAILABLE"}}


@pytest.mark.parametrize(
    "reply", [sse(chunk({"text": "a"}), ERROR), json.dumps([ERROR]).encode(), json.dumps(ERROR).encode()]
)
def test_errors_inside_a_reply(reply: bytes) -> None:
    """An error in a reply of status 200 is raised as what it is, in a stream, an array and alone."""
    with pytest.raises(ProviderError, match="The model is overloaded") as raised:
        told("gemini", reply)
    assert raised.value.kind == "overloaded"


@pytest.mark.parametrize(
    ("reply", "kind"),
    [
        (sse(chunk({"text": "a"})), "truncated"),
        (b"", "truncated"),
        (sse({"usageMetadata": {"promptTokenCount": 3}}), "truncated"),
        (json.dumps([chunk({"text": "a"}), END]).encode()[:-9], "truncated"),
        (sse("<html>"), "protocol"),
        (b'{"hello": "world"}', "protocol"),
        (b"[3]", "protocol"),
    ],
)
def test_replies_that_are_none(reply: bytes, kind: str) -> None:
    """A stream without a finish reason is truncated; what is no reply of the API's is told as such."""
    with pytest.raises(ProviderError) as raised:
        told("gemini", reply)
    assert raised.value.kind == kind


def test_a_whole_reply_without_a_reason_is_whole() -> None:
    """A reply that came whole has ended, also where it does not say why."""
    _, ended = told("gemini", json.dumps(chunk({"text": "a"})).encode(), JSON)
    assert (ended.finish, ended.natives) == ((None,), (None,))


def test_done_is_an_end() -> None:
    """A gateway that ends every stream as OpenAI's do has ended this one."""
    _, ended = told("gemini", sse(chunk({"text": "a"}), "[DONE]"))
    assert ended.finish == (None,)


def test_lists() -> None:
    """A page of models says what the API says of each, under the id that is asked, and names the next page."""
    talk, provider = dialect("gemini"), target("gemini").provider
    base = "https://generativelanguage.googleapis.com/v1beta/models?pageSize=1000"
    assert talk.list_call(provider, {}).url == base
    rows = [
        {
            "name": "models/gemini-x", "displayName": "Gemini X", "description": "fast", "inputTokenLimit": 1048576,
            "outputTokenLimit": 8192, "supportedGenerationMethods": ["generateContent", "countTokens"],
            "thinking": True,
        },
        {"name": "models/embed-1", "supportedGenerationMethods": ["embedContent"]},
        {"name": "models/veo", "supportedGenerationMethods": ["predictLongRunning"]},
        {"name": "tunedModels/mine"}, {"displayName": "no name"}, 3,
    ]  # fmt: skip
    page = talk.list_page({"models": rows, "nextPageToken": "p 2"}, provider)
    x = page.rows[0]
    assert (x.id, x.title, x.description, x.context_length) == ("gemini-x", "Gemini X", "fast", 1048576)
    assert (x.most_output, x.capabilities) == (8192, ("reasoning",))
    assert [(row.id, row.kind) for row in page.rows] == [
        ("gemini-x", "chat"), ("embed-1", "embedding"), ("veo", "other"), ("tunedModels/mine", None),
    ]  # fmt: skip
    assert talk.list_call(provider, page.following).url == f"{base}&pageToken=p+2"
    assert talk.list_page({"models": []}, provider).following == {}
    with pytest.raises(ValueError, match="no list of models"):
        talk.list_page({}, provider)
