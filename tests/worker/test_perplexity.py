"""`hub.perplexity`: its values against independent sources, sliding windows, refusals, stopping, neighbours."""

from __future__ import annotations

import asyncio
import json
import math
import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks.random_gguf import Shape, write
from modelhub.errors import BadRequest, ModelNotFound, Stopped
from modelhub.kernels.hub import Hub
from modelhub.kernels.perplexity import Perplexity
from modelhub.kernels.protocol.events import Progress
from tests.engines.gguf_file import GgufFile
from tests.worker.asking import ENDLESS, SECONDS, Asker, first_text

NOISE = 0.01  # nats: what the place in memory and the neighbours in a batch change
TEXT = "the other thing that there is, and then some more of it: word9 word12!"
CONTROL_AND_BYTES = 3 + 256  # tokens that every random model has
ENDLESS_TEXT = "abcd" * 10_000  # takes seconds to read
MOST_STEPS = 40_000 // 512 - 10  # fewer than reading it to its end takes, 512 tokens at a time at most
BARE = "{{ messages[0].content }}"


@pytest.fixture(scope="session")
def bare_gguf(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model of random weights whose template is the content alone: a prompt is the text."""
    return write(tmp_path_factory.mktemp("models") / "bare.gguf", template=BARE)


def values(result: Perplexity) -> list[float]:
    return [entry["logprob"] for entry in result.entries[1:]]


def idle(hub: Hub) -> bool:
    return all(row["requests"] == [] for row in hub.status())


def steps(ask: Asker) -> int:
    """How many batches the model has evaluated."""
    (row,) = [row for row in ask.hub.status() if row["model"] == f"local/{ask.path.stem}"]
    return int(row["steps"])


def test_it_is_what_prompt_logprobs_say(hub: Hub, bare_gguf: Path) -> None:
    """The entries are those of a chat whose prompt is the text, and the figures are numpy's of them."""
    result = hub.perplexity(TEXT, model=str(bare_gguf), top=3)
    prompt = hub.chat(TEXT, model=str(bare_gguf), prompt_logprobs=3, max_tokens=1).prompt_logprobs
    assert [e["id"] for e in result.entries] == [e["id"] for e in prompt]
    wanted = np.array([e["logprob"] for e in prompt[1:]])
    assert values(result) == pytest.approx(list(wanted), abs=NOISE)
    assert result.nll == pytest.approx(-wanted.mean(), abs=NOISE)
    assert result.perplexity == pytest.approx(np.exp(-np.mean(values(result))))
    assert result.tokens == len(prompt) - 1
    counted = len(TEXT.encode()) - len(prompt[0]["bytes"])
    assert result.bits_per_byte == pytest.approx(-np.sum(values(result)) / np.log(2) / counted)
    assert all(len(e["top_logprobs"]) == 3 for e in result.entries[1:])
    assert result.entries[0]["logprob"] is None and result.entries[0]["top_logprobs"] == []


def test_it_is_what_the_model_says_step_by_step(hub: Hub, bare_gguf: Path) -> None:
    """Each token's value is the one it has among the alternatives after what stands before it, asked one by one."""
    entries = hub.perplexity("that thing", model=str(bare_gguf)).entries
    for i in range(1, len(entries)):
        before = "".join(e["token"] for e in entries[:i])
        step = hub.chat(before, model=str(bare_gguf), max_tokens=1, n_probs=512, temperature=0, logit_bias=ENDLESS)
        (known,) = [t["logprob"] for t in step.logprobs[0]["top_logprobs"] if t["id"] == entries[i]["id"]]
        assert entries[i]["logprob"] == pytest.approx(known, abs=NOISE)


def test_the_text_is_read_as_it_stands(hub: Hub, random_gguf: Path) -> None:
    """No template is put around it, names of control tokens are plain text, and the tokens are the text's bytes."""
    text = "  <|im_start|>user\nhé\t<|im_end|>\n\n"
    result = hub.perplexity(text, model=str(random_gguf))
    assert b"".join(bytes(e["bytes"]) for e in result.entries) == text.encode()
    assert min(e["id"] for e in result.entries) > 2
    assert result.text == text


@pytest.mark.parametrize(("window", "stride"), [(16, 8), (16, 1), (16, 15), (40, 7), (2, 1), (64, None)])
def test_windows_are_what_each_says_alone(hub: Hub, random_gguf: Path, window: int, stride: int | None) -> None:
    """A counted token has the value that reading its own window alone gives; every token counts once."""
    letters = [chr(97 + i * i * 7 % 26) for i in range(90)]  # each a token: the model has no longer ones for them
    name, text = str(random_gguf), "".join(letters)
    result = hub.perplexity(text, model=name, window=window, stride=stride)
    assert result.window == window and result.stride == (stride or window // 2)
    pieces = [e["token"] for e in result.entries]
    assert pieces == letters
    counted, windows = 1, 0
    while counted < len(pieces):
        end = window if counted == 1 else min(len(pieces), counted + result.stride)
        begin, windows = max(0, end - window), windows + 1
        if windows < 4 or end == len(pieces):
            alone = hub.perplexity("".join(pieces[begin:end]), model=name)
            expected = [e["logprob"] for e in alone.entries[counted - begin :]]
            assert [e["logprob"] for e in result.entries[counted:end]] == pytest.approx(expected, abs=NOISE)
        assert counted == 1 or counted - begin >= window - result.stride
        counted = end
    assert result.windows == windows
    assert f"it was read in {windows} windows" in result.warnings[0]


def test_one_window_is_enough_for_a_short_text(hub: Hub, random_gguf: Path) -> None:
    """Where the text fits, any window gives the value that none gives, without a word of windows."""
    plain = hub.perplexity(TEXT, model=str(random_gguf))
    assert (plain.window, plain.stride, plain.windows) == (512, 256, 1)
    for window, stride in ((len(plain.entries), 1), (512, 3), (300, None)):
        other = hub.perplexity(TEXT, model=str(random_gguf), window=window, stride=stride)
        assert values(other) == pytest.approx(values(plain), abs=NOISE)
        assert other.windows == 1
    assert plain.warnings == ["the first token has no probability, for nothing stands before it: it is not counted"]


def test_a_text_longer_than_the_context_is_read_in_windows(hub: Hub, random_gguf: Path) -> None:
    """With no window named it is the model's context, half of it new each time, and a warning says so."""
    result = hub.perplexity("x" * 1300, model=str(random_gguf))
    assert (result.tokens, result.window, result.stride, result.windows) == (1299, 512, 256, 5)
    assert result.warnings[0] == (
        "the text has 1,300 tokens and the window 512: it was read in 5 windows, each 256 tokens on from the one before"
    )


def test_a_model_that_knows_nothing_guesses_blindly(hub: Hub, tmp_path: Path) -> None:
    """Where every token has the same logit, the perplexity is the size of the vocabulary."""
    path = write(tmp_path / "blind.gguf", Shape(vocabulary=CONTROL_AND_BYTES + 1, endless=True))
    file = GgufFile(path)
    file.data = file.data[: -(-len(file.data) // 32) * 32]
    offset = file.tensor("output.weight").offset
    size = 4 * 64 * (CONTROL_AND_BYTES + 1)
    file.data = file.data[:offset] + b"\0" * size + file.data[offset + size :]
    blind = file.write(tmp_path / "blind.gguf")
    result = hub.perplexity("any text at all", model=str(blind))
    hub.unload(str(blind))
    assert result.perplexity == pytest.approx(CONTROL_AND_BYTES + 1, rel=1e-5)


def test_what_makes_sense_surprises_less(hub: Hub) -> None:
    """The packaged model is less surprised by its own kind of text than by the same words in any other order."""
    text = hub.chat("Tell me a story.", temperature=0).text()
    words = text.split(" ")
    random.Random(5).shuffle(words)
    kept, shuffled = (hub.perplexity(t) for t in (text, " ".join(words)))
    assert 5 * kept.perplexity < shuffled.perplexity
    assert kept.bits_per_byte < shuffled.bits_per_byte


def test_a_begin_token_counts_for_nothing_and_gives_the_first_one_a_value(
    hub: Hub, random_gguf: Path, tmp_path: Path
) -> None:
    """Where the model has a begin-of-text token it stands first, and every token and byte of the text counts."""
    file = GgufFile(random_gguf).set("tokenizer.ggml.add_bos_token", "bool", True)
    path = file.set("tokenizer.ggml.bos_token_id", "u32", 0).write(tmp_path / "begins.gguf")
    text = "<|endoftext|> that"
    result = hub.perplexity(text, model=str(path))
    assert result.entries[0]["id"] == 0 and result.entries[0]["bytes"] == [] and result.begins
    assert b"".join(bytes(e["bytes"]) for e in result.entries) == text.encode()
    assert result.bytes == len(text) and result.warnings == []
    letters = "".join(chr(97 + i * i * 7 % 26) for i in range(90))
    windows = hub.perplexity(letters, model=str(path), window=16, stride=8)
    last = hub.perplexity(letters[-15:], model=str(path))
    hub.unload(str(path))
    assert windows.entries[0]["id"] == last.entries[0]["id"] == 0
    assert values(windows)[-3:] == pytest.approx(values(last)[-3:], abs=NOISE), "each window begins with it"


def test_it_is_plain_data_and_one_line(hub: Hub, random_gguf: Path) -> None:
    """`to_dict` survives JSON; the repr is one line with the figures; the least probable tokens come least first."""
    result = hub.perplexity(TEXT, model=str(random_gguf), top=1)
    data = json.loads(json.dumps(result.to_dict(), allow_nan=False))
    assert data["perplexity"] == result.perplexity and data["text"] == TEXT and data["tokens"] == result.tokens
    assert data["entries"] == result.entries
    assert f"{result.tokens} tokens" in repr(result) and f"{result.perplexity:,.2f}" in repr(result)
    assert "\n" not in repr(result) and len(repr(result)) < 160
    least = result.least(3)
    assert [e["logprob"] for e in least] == sorted(values(result))[:3]
    assert all(result.entries[e["index"]]["id"] == e["id"] for e in least)


def test_an_impossible_text_can_be_said() -> None:
    """A perplexity that no number holds is infinite, and None in JSON."""
    entry: dict[str, Any] = {"token": "a", "bytes": [97], "id": 5, "top_logprobs": []}
    entries = [{**entry, "logprob": None}, {**entry, "logprob": -9999.0}]
    result = Perplexity("m", "aa", entries, 8, 4, 1, False, [])
    assert result.perplexity == math.inf and result.nll == 9999.0
    assert json.loads(json.dumps(result.to_dict(), allow_nan=False))["perplexity"] is None
    assert repr(result).startswith("<Perplexity inf · 9999.000 nats a token")


@pytest.mark.parametrize(
    ("text", "options", "says"),
    [
        ("", {}, "the text is empty: there is nothing to score"),
        ("th", {}, "a text to score needs two tokens at least"),
        (5, {}, "text must be text; got int"),
        ("half \ud83d", {}, "text must be whole characters; half of one stands at 5"),
        ("x" * (8 << 20) + "y", {}, "text may have 8,388,608 bytes; this has 8,388,609: score it in parts"),
        (TEXT, {"window": 1}, "window must be a whole number from 2; got 1"),
        (TEXT, {"window": 513}, "window must be from 2 to 512, the context it is loaded with; got 513"),
        (TEXT, {"window": True}, "window must be a whole number from 2; got True"),
        (TEXT, {"window": 9.5}, "window must be a whole number from 2; got 9.5"),
        (TEXT, {"stride": 0}, "stride must be a whole number from 1; got 0"),
        (TEXT, {"stride": 512}, "stride must be from 1 to 511, one less than the window; got 512"),
        (TEXT, {"window": 16, "stride": 16}, "stride must be less than the window"),
        (TEXT, {"top": 21}, "top must be a whole number from 0 to 20; got 21"),
        (TEXT, {"top": None}, "top must be a whole number from 0 to 20; got None"),
        ("a" * 70_000, {"stride": 1}, "take a larger stride"),
        (TEXT, {"model": ""}, "model must be the name of a model"),
    ],
)
def test_what_is_wrong_is_one_line(hub: Hub, random_gguf: Path, text: Any, options: dict[str, Any], says: str) -> None:
    """Wrong texts and numbers are refused by name, and the worker is free."""
    with pytest.raises(BadRequest) as caught:
        hub.perplexity(text, **{"model": str(random_gguf), **options})
    assert says in str(caught.value) and "\n" not in str(caught.value)
    assert idle(hub)


def test_a_model_that_is_not_there(hub: Hub) -> None:
    """It is the same error as for a chat."""
    with pytest.raises(ModelNotFound):
        hub.perplexity(TEXT, model="nothing")


def test_a_chat_beside_it_is_answered(ask_long: Asker) -> None:
    """While a long text is read, a question is answered; and while an answer comes, a text is read."""
    hub, name = ask_long.hub, str(ask_long.path)
    answers: list[str] = []

    def ask_once(progress: Progress) -> None:
        if not answers and progress.part is not None and 0 < progress.part < 1:
            answers.append(ask_long("hi", max_tokens=5).text())
            reading.append(not idle(hub))

    reading: list[bool] = []
    long = hub.perplexity("abcd" * 5000, model=name, window=4096, progress=ask_once)
    assert answers and answers[0] and reading == [True]
    assert long.tokens == 19_999
    endless = ask_long("go on")
    first_text(endless)
    short = hub.perplexity(TEXT, model=name)
    assert not endless.done and short.tokens > 10
    endless.stop()
    assert endless.wait(SECONDS)


def test_thousands_of_windows_wait_for_nobody(ask_long: Asker) -> None:
    """Of a text of many windows no more wait at once than there are slots: finding who is next stays cheap."""
    waiting: list[int] = []

    def look(_progress: Progress) -> None:
        (row,) = [row for row in ask_long.hub.status() if row["model"] == "local/long"]
        waiting.append(row["waiting"])

    result = ask_long.hub.perplexity("abcd" * 2500, model=str(ask_long.path), window=16, stride=8, progress=look)
    assert result.windows == 1249 and result.tokens == 9_999
    assert waiting and max(waiting) <= 16


def test_progress_counts_tokens(ask_long: Asker) -> None:
    """Progress says how many of how many tokens were read, and only goes on."""
    seen: list[Progress] = []
    ask_long.hub.perplexity("abcd" * 5000, model=str(ask_long.path), window=512, progress=seen.append)
    parts = [p.part for p in seen if "tokens read" in p.stage]
    assert len(parts) > 1 and parts == sorted(parts)  # type: ignore[type-var]  # none of them is None
    assert seen[-1].stage.endswith(" of 20,000 tokens read")


def test_an_interrupt_stops_it(ask_long: Asker) -> None:
    """An interrupt while it is read raises Stopped, and the worker is free for what comes next."""
    hub, name = ask_long.hub, str(ask_long.path)

    def interrupt(progress: Progress) -> None:
        if progress.part is not None and 0 < progress.part < 1:
            raise KeyboardInterrupt

    hub.load(name)
    before = steps(ask_long)
    with pytest.raises(Stopped, match="what came is dropped"):
        hub.perplexity(ENDLESS_TEXT, model=name, progress=interrupt)
    while not idle(hub):
        pass
    assert steps(ask_long) - before < MOST_STEPS
    assert hub.perplexity(TEXT, model=name).tokens > 10


def test_it_can_be_awaited_and_cancelled(ask_long: Asker) -> None:
    """`aperplexity` gives the same; cancelling it frees the worker."""
    hub, name = ask_long.hub, str(ask_long.path)

    async def both() -> Perplexity:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.2):
                await hub.aperplexity(ENDLESS_TEXT, model=name)
        return await hub.aperplexity(TEXT, model=name)

    hub.load(name)
    before = steps(ask_long)
    result = asyncio.run(both())
    while not idle(hub):
        pass
    assert steps(ask_long) - before < MOST_STEPS
    assert values(result) == pytest.approx(values(hub.perplexity(TEXT, model=name)), abs=NOISE)
