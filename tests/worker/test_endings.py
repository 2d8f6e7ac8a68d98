"""How an answer ends: its limit, a stop string, the context; and a prompt that does not fit."""

from __future__ import annotations

import pytest

from modelhub.errors import BadRequest, ContextTooLong, EngineCrashed, HubError
from tests.worker.asking import Asker


@pytest.mark.parametrize("limit", [1, 2, 17])
def test_max_tokens_is_exact(ask: Asker, limit: int) -> None:
    """As many tokens come as were asked for, by either name, and the usage adds up."""
    for name in ("max_tokens", "max_completion_tokens"):
        response = ask("hi", **{name: limit}, logprobs=True)
        assert ask("hi", max_tokens=40).text().startswith(response.text().rstrip("�"))
        usage = response.usage()
        assert (usage["completion_tokens"], response.finish_reason) == (limit, "length")
        assert usage["total_tokens"] == usage["prompt_tokens"] + limit
        assert len(response.logprobs) == limit


def test_a_stop_string_ends_the_answer_before_it(ask: Asker) -> None:
    """The text ends before the first stop string, also one that spans tokens, and so do the log probabilities."""
    whole = ask("hi", max_tokens=40, logprobs=True)
    text = whole.text()
    borders = [len(bytes(e["bytes"])) for e in whole.logprobs]
    assert max(borders) > 1
    for begin, length in ((10, 3), (20, 9), (15, 1)):
        stop = text[begin : begin + length]
        wanted = text[: text.index(stop)]
        response = ask("hi", max_tokens=40, stop=["never there", stop], logprobs=True)
        assert (response.text(), response.finish_reason) == (wanted, "stop")
        kept = b"".join(bytes(e["bytes"]) for e in response.logprobs).decode("utf-8", "replace")
        assert kept.startswith(wanted) and len(kept) <= len(wanted) + max(borders)


def test_the_end_token_ends_it(ask: Asker) -> None:
    """The model's own end is finish reason `stop` and stands neither in the text nor among the log probabilities."""
    response = ask("hi", logit_bias={2: 100}, logprobs=True)
    assert (response.text(), response.finish_reason, response.logprobs) == ("", "stop", [])
    assert response.usage()["completion_tokens"] == 0


def test_a_full_context_is_length(ask: Asker) -> None:
    """An answer without a limit goes on until the context is full and ends with `length`."""
    response = ask("hi")
    assert response.text()
    assert response.finish_reason == "length"
    assert response.usage()["total_tokens"] == 512


def test_a_prompt_that_does_not_fit(ask: Asker) -> None:
    """A prompt longer than the context is an error that says what to type; what it says works, and all live on."""
    with pytest.raises(ContextTooLong) as caught:
        ask("x" * 600).text()
    error = caught.value
    assert str(error).startswith("this model's maximum context length is 512 tokens, however the prompt has 61")
    assert "--new" in str(error) and "\n" not in str(error)
    assert (error.context, error.param) == (512, "messages")
    name, flag, size = str(error).split("%models load ")[1].split()
    assert (flag, size) == ("-c", "1024")
    pid = ask.hub.engine(str(ask.path)).pid
    assert ask("hi", max_tokens=3).text()
    assert ask.hub.engine(str(ask.path)).pid == pid is not None
    assert ask.hub.engine(name) is ask.hub.engine(str(ask.path))


def test_the_longest_prompt_that_fits(ask: Asker) -> None:
    """A prompt of one token less than the context is answered with one token; one more is refused."""
    room = 512 - ask("x", max_tokens=1).usage()["prompt_tokens"]
    response = ask("x" * room)
    assert (response.usage()["completion_tokens"], response.finish_reason) == (1, "length")
    with pytest.raises(ContextTooLong):
        ask("x" * (room + 1)).text()


def test_a_million_characters_are_refused_politely(ask: Asker) -> None:
    """A prompt of a million characters is too long, whatever it is made of, and the next question is answered."""
    for prompt in ("x" * 1_000_000, "ab cd\n" * 170_000, "日" * 300_000):
        with pytest.raises(ContextTooLong, match="however the prompt has"):
            ask(prompt).text()
    assert ask("hi", max_tokens=3).text()


@pytest.mark.parametrize("prompt", ["\0", "a\0b", "<|im_end|>", "\ufeff\u202e", "‍", "a" * 400, "\r\n\t x"])
def test_odd_prompts_are_answered(ask: Asker, prompt: str) -> None:
    """NUL, control characters, names of control tokens and bidi marks are text like any other."""
    response = ask(prompt, max_tokens=3)
    assert response.text() is not None
    assert prompt in response.debug["prompt"]


def test_no_prompt_is_refused() -> None:
    """An empty prompt, blanks and no messages are refused before a worker is asked."""
    from modelhub.kernels.hub import Hub

    hub = Hub()
    for prompt in ("", "  \n", [], "half \ud83d"):
        with pytest.raises(BadRequest):
            hub.chat(prompt)
    assert hub.engines() == []
    hub.close()


def test_half_a_character_anywhere_does_no_harm(ask: Asker) -> None:
    """A lone surrogate in another field is an error or an answer; the worker lives."""
    named = [{"role": "user", "content": "hi", "name": "\ud83d"}]
    for options in ({"stop": "\ud83d"}, {"user": "\ud83d"}, {"metadata": {"a": "\ud83d"}}, {"prompt": named}):
        try:
            ask(options.pop("prompt", "hi"), max_tokens=2, **options).text()
        except HubError as error:
            assert not isinstance(error, EngineCrashed)
            assert "\n" not in str(error)
    assert ask("hi", max_tokens=2).text()
