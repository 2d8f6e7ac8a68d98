"""Tokens that break text: longer than any buffer, halves of characters, none at all. What streams is the text."""

from __future__ import annotations

from pathlib import Path

import pytest

from modelhub.kernels.hub import Hub
from tests.engines.gguf_file import GgufFile
from tests.worker.asking import ENDLESS, Asker

TOKENS = "tokenizer.ggml.tokens"
TYPES = "tokenizer.ggml.token_type"
NORMAL, USER_DEFINED = 1, 4
BYTES = {3 + byte: 9 for byte in range(128, 256)}  # the tokens of the bytes that are no character by themselves


def with_token(source: Path, path: Path, text: bytes, kind: int = NORMAL) -> Path:
    """A copy of the model in which token 300 is `text`."""
    file = GgufFile(source)
    tokens = file.tokens()
    tokens[300] = text
    types = [3] * 3 + [NORMAL] * 509
    types[300] = kind
    return file.set(TOKENS, "texts", tokens).set(TYPES, "i32s", types).write(path)


@pytest.mark.parametrize("length", [31, 32, 33, 64, 65, 1000, 70_000])
def test_a_long_token_is_whole(own_hub: Hub, random_gguf: Path, tmp_path: Path, length: int) -> None:
    """A token of any length stands whole in the text, in the stream, among the bytes and in what is banned."""
    text = "".join(chr(97 + i % 26) for i in range(length))
    path = with_token(random_gguf, tmp_path / "long.gguf", text.encode())
    ask = Asker(own_hub, path)
    response = ask("hi", max_tokens=3, logit_bias={300: 100}, logprobs=True, top_logprobs=1)
    assert "".join(response) == response.text() == text * 3
    assert bytes(response.logprobs[0]["bytes"]) == text.encode()
    stopped = ask("hi", max_tokens=3, logit_bias={300: 100}, stop=text[-9:] + text[:9])
    assert (stopped.text(), stopped.finish_reason) == (text[:-9], "stop")
    assert text not in ask("hi", max_tokens=3, logit_bias={300: 100}, suppress=[text]).text()


@pytest.mark.parametrize(
    "text", [b"\xff\xfe", b"\xc3(", b"\xed\xa0\x80", b"\xe2\x82", b"a\xf0\x9f", b"\xf8\x88\x80\x80\x80"]
)
def test_a_token_that_is_no_character(own_hub: Hub, random_gguf: Path, tmp_path: Path, text: bytes) -> None:
    """Bytes that are no UTF-8 are U+FFFD in the text and themselves among the bytes; the worker lives."""
    path = with_token(random_gguf, tmp_path / "odd.gguf", text, USER_DEFINED)
    response = Asker(own_hub, path)("hi", max_tokens=5, logit_bias={300: 100}, logprobs=True)
    assert "".join(response) == response.text() == (text * 5).decode("utf-8", "replace")
    assert [bytes(entry["bytes"]) for entry in response.logprobs] == [text] * 5


def test_halves_of_characters_stream_as_they_end(ask: Asker) -> None:
    """Of answers made of halves of characters, the stream, the reply and the bytes say the same, also with a stop."""
    broken = 0
    for seed in range(40):
        options = {"max_tokens": 60, "temperature": 2, "seed": seed, "logit_bias": {**ENDLESS, **BYTES}}
        if seed % 4 == 3:
            options["stop"] = ["word1", "é"]
        response = ask("hi", logprobs=True, **options)
        pieces = list(response)
        reply = response.json()["choices"][0]
        assert "".join(pieces) == reply["message"]["content"] == response.text()
        raw = b"".join(bytes(entry["bytes"]) for entry in reply["logprobs"]["content"])
        if "stop" not in options:
            assert reply["message"]["content"] == raw.decode("utf-8", "replace")
            broken += "�" in pieces[0] or len(pieces) < 60
        assert ask("hi", **options).text() == response.text()
    assert broken > 10
