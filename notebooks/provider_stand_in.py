"""A stand-in for a provider on this machine, for the lesson beside it: it knows the sea, and nothing else.

    sea = ProviderStandIn()
    %models provider add sea --base-url {{url}}      with url = sea.url

It speaks OpenAI's dialect (https://platform.openai.com/docs/api-reference/chat), wants a key, which is `sea.word`, and
has a model for each thing that happens with providers: `SEA` below says which.
"""

from __future__ import annotations

import json
import math
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

PRICE = {"input": 0.4, "output": 1.6}  # US dollars for a million tokens
SEA = {
    "plaice": "answers at once",
    "whale": "thinks for a while, and answers slowly",
    "crab": "is busy when it is first asked, and answers when it is asked again",
    "eel": "breaks off in the middle",
    "oyster": "serves those that pay for more than you do",
}
KNOWN = {
    "tide": "The moon pulls at the sea, and the sea follows it around the Earth.",
    "salt": "Rain washes it out of the rocks, and rivers carry it down.",
    "blue": "Water swallows red light first, and sends the blue back.",
    "deep": "About 3,700 metres, and nearly 11,000 where it is deepest.",
}
ELSE = "I know the sea, and nothing else."


def answer(question: str) -> str:
    """What it says to a question."""
    return next((said for word, said in KNOWN.items() if word in question.lower()), ELSE)


def pieces(text: str) -> list[str]:
    """A text as its tokens: words, with the space before them."""
    words = text.split(" ")
    return [words[0], *(f" {word}" for word in words[1:])]


def entry(token: str, others: int) -> dict[str, Any]:
    """An entry of logprobs.content: it is the surer, the longer the word."""
    sure = 1 - 0.5 / len(token)
    near = [(" perhaps", 0.7), (" maybe", 0.2), (" no", 0.1)]
    found = [(token, sure), *((word, (1 - sure) * part) for word, part in near)]
    rows = [{"token": t, "logprob": math.log(p), "bytes": list(t.encode())} for t, p in found]
    return {**rows[0], "top_logprobs": rows[:others]}


class ProviderStandIn:
    """The provider; `close` ends it. models: what it lists, which may be changed."""

    word = "open-sesame"

    def __init__(self) -> None:
        """Listen on this machine alone, at a port of the system's choice."""
        self.models = list(SEA)
        self._asked: dict[str, int] = {}
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"sea": self}))
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}/v1"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        """Stop listening."""
        self._server.shutdown()
        self._server.server_close()

    def first(self, model: str) -> bool:
        """Whether a model is asked for the first time."""
        self._asked[model] = self._asked.get(model, 0) + 1
        return self._asked[model] == 1


class _Handler(BaseHTTPRequestHandler):
    sea: ProviderStandIn
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: object) -> None:
        """Nothing on the screen."""

    def do_GET(self) -> None:  # noqa: N802 - http.server calls it so
        """The list of models."""
        if self._allowed():
            rows = [{"id": name, "object": "model", "owned_by": "sea", "context_length": 4096, "pricing": PRICE}
                    for name in [*self.sea.models, "text-embed-foam", "whale-nightly"]]  # fmt: skip
            self._json(200, {"object": "list", "data": rows})

    def do_POST(self) -> None:  # noqa: N802
        """An answer."""
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        model = asked["model"]
        if not self._allowed():
            return
        if model not in self.sea.models:
            self._error(404, f"The model `{model}` does not exist", "invalid_request_error", "model_not_found")
        elif model == "oyster":
            self._error(429, "You exceeded your current quota, please check your plan", "insufficient_quota",
                        "insufficient_quota")  # fmt: skip
        elif model == "crab" and self.sea.first(model):
            self._error(429, "Too many requests", "requests", "rate_limit_exceeded", {"Retry-After": "1"})
        else:
            self._stream(asked, model)

    def _stream(self, asked: dict[str, Any], model: str) -> None:
        """Server-sent events, a word each, as OpenAI sends them."""
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        said = [m["content"] for m in asked["messages"] if m["role"] in {"user", "assistant"}]
        begun = said[-2] if "cut off" in said[-1] else ""  # it is asked to go on with what it said
        tokens = pieces(answer(said[-3] if begun else said[-1]).removeprefix(begun))
        limit = asked.get("max_tokens") or asked.get("max_completion_tokens") or len(tokens)
        if model == "whale":
            for thought in pieces("It is asked what is known to every whale."):
                self._event({"reasoning_content": thought})
                time.sleep(0.05)
        for number, token in enumerate(tokens[:limit]):
            if model == "eel" and not begun and number == len(tokens) // 2:
                self.close_connection = True
                return  # without the last chunk: the answer is cut
            self._event({"content": token}, asked)
            time.sleep(0.2 if model == "whale" else 0.02)
        self._event({}, finish="length" if limit < len(tokens) else "stop")
        counts = {"prompt_tokens": sum(len(pieces(text)) for text in said),
                  "completion_tokens": min(limit, len(tokens))}  # fmt: skip
        self._chunk({"choices": [], "usage": {**counts, "total_tokens": sum(counts.values())}})
        self._data(b"data: [DONE]\n\n")
        self._data(b"")

    def _event(self, delta: dict[str, str], asked: dict[str, Any] | None = None, finish: str | None = None) -> None:
        choice: dict[str, Any] = {"index": 0, "delta": delta, "finish_reason": finish}
        if asked and asked.get("logprobs"):
            choice["logprobs"] = {"content": [entry(delta["content"], asked.get("top_logprobs") or 0)]}
        self._chunk({"choices": [choice]})

    def _chunk(self, more: dict[str, Any]) -> None:
        chunk = {"id": "chatcmpl-sea", "object": "chat.completion.chunk", "created": 1, "model": "sea", **more}
        self._data(f"data: {json.dumps(chunk)}\n\n".encode())

    def _data(self, data: bytes) -> None:
        self.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))

    def _allowed(self) -> bool:
        if self.headers.get("Authorization") == f"Bearer {self.sea.word}":
            return True
        self._error(401, "Incorrect API key provided", "invalid_request_error", "invalid_api_key")
        return False

    def _error(self, status: int, message: str, kind: str, code: str, headers: dict[str, str] | None = None) -> None:
        self._json(status, {"error": {"message": message, "type": kind, "param": None, "code": code}}, headers)

    def _json(self, status: int, value: Any, headers: dict[str, str] | None = None) -> None:
        data = json.dumps(value).encode()
        self.send_response(status)
        fixed = {"Content-Type": "application/json", "Content-Length": str(len(data))}
        for name, text in {**fixed, **(headers or {})}.items():
            self.send_header(name, text)
        self.end_headers()
        self.wfile.write(data)
