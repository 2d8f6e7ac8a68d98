"""Files from the list of what ended, hung or fooled llama.cpp: each is refused in one line or answers; the hub lives.

Every file is asked once, several at a time, in one hub that also holds a sound model; the tests then look at what came.
"""

from __future__ import annotations

import copy
import math
import re
import struct
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from modelhub.errors import EngineCrashed, EngineFailed, HubError, ModelFileError
from modelhub.kernels.hub import Hub
from tests.engines.gguf_file import GgufFile, Tensor

AT_ONCE = 4
SECONDS = 60.0
OUTPUT = "output.weight"
VOCABULARY = "tokenizer.ggml."

Change = Callable[[GgufFile], object]


def put(key: str, kind: str, value: Any) -> Change:
    return lambda file: file.set(key, kind, value)


def without(key: str) -> Change:
    return lambda file: file.pairs.pop(key)


def tensor(**fields: Any) -> Change:
    return lambda file: vars(file.tensor(OUTPUT)).update(fields)


def filled(name: str, value: float, count: int | None = None) -> Change:
    """The first `count` numbers of a tensor, or all of them, are `value`."""

    def change(file: GgufFile) -> None:
        at = file.tensor(name)
        size = count if count is not None else math.prod(at.extents)
        numbers = struct.pack("<f", value) * size
        file.data = file.data[: at.offset] + numbers + file.data[at.offset + len(numbers) :]

    return change


def fewer_tokens(file: GgufFile) -> None:
    file.set(VOCABULARY + "tokens", "texts", file.tokens()[:511])


def no_byte_tokens(file: GgufFile) -> None:
    """A SentencePiece vocabulary that has no token for most bytes."""
    file.set(VOCABULARY + "model", "text", b"llama").set(VOCABULARY + "scores", "f32s", [0.0] * 512)


REFUSED: dict[str, tuple[Change, str]] = {
    "one-layer-of-two": (put("llama.block_count", "u32", 1), "wrong number of tensors"),
    "seven-layers-of-two": (put("llama.block_count", "u32", 7), r"'blk\.2\.attn_norm\.weight' not found"),
    "no-layers": (put("llama.block_count", "u32", 0), "block_count is 0"),
    "a-million-layers": (put("llama.block_count", "u32", 10**6), "block_count is 1,000,000"),
    "no-context": (put("llama.context_length", "u32", 0), "context_length is 0"),
    "endless-context": (put("llama.context_length", "u32", 2**32 - 1), "context_length is 4,294,967,295"),
    "context-of-text": (put("llama.context_length", "text", b"512"), "wrong type str but expected type u32"),
    "no-heads": (put("llama.attention.head_count", "u32", 0), "wrong shape"),
    "odd-heads": (put("llama.attention.head_count_kv", "u32", 3), "wrong shape"),
    "many-heads": (put("llama.attention.head_count_kv", "u32", 2**31), "wrong shape"),
    "no-feed": (put("llama.feed_forward_length", "u32", 0), "wrong shape"),
    "no-width": (put("llama.embedding_length", "u32", 0), "invalid n_rot"),
    "eps-nan": (put("llama.attention.layer_norm_rms_epsilon", "f32", math.nan), "epsilon is nan"),
    "eps-negative": (put("llama.attention.layer_norm_rms_epsilon", "f32", -1.0), "epsilon is -1.0"),
    "experts": (put("llama.expert_count", "u32", 8), "expert_used_count is 0 of 8 experts"),
    "no-eps": (without("llama.attention.layer_norm_rms_epsilon"), "key not found in model"),
    "no-tokens": (without(VOCABULARY + "tokens"), "cannot find tokenizer vocab"),
    "no-merges": (without(VOCABULARY + "merges"), "cannot find tokenizer merges"),
    "fewer-tokens": (fewer_tokens, "expected 64, 511, got 64, 512"),
    "same-tokens": (put(VOCABULARY + "tokens", "texts", [b"a"] * 512), "has the text of another one"),
    "tokens-of-numbers": (put(VOCABULARY + "tokens", "u32s", [1] * 512), "invalid gguf type for tokenizer"),
    "few-token-types": (put(VOCABULARY + "token_type", "i32s", [1] * 3), "Index out of array bounds"),
    "merges-of-numbers": (put(VOCABULARY + "merges", "u32s", [1]), "invalid gguf type"),
    "unknown-tokenizer": (put(VOCABULARY + "model", "text", b"abacus"), "unknown tokenizer: 'abacus'"),
    "unknown-architecture": (put("general.architecture", "text", b"abacus"), "unknown model architecture: 'abacus'"),
    "unknown-type": (tensor(kind=99), "invalid ggml type 99"),
    "removed-type": (tensor(kind=4), "not a multiple of block size"),
    "five-dimensions": (tensor(extents=[64, 512, 1, 1, 1]), "has 5 dimensions"),
    "no-extent": (tensor(extents=[0, 512]), "expected 64, 512, got 0, 512"),
    "endless-extent": (tensor(extents=[2**60, 2**60]), "it is truncated"),
    "swapped-extents": (tensor(extents=[512, 64]), "got 512, 64"),
    "odd-offset": (tensor(offset=7), "no multiple of 32"),
    "endless-offset": (tensor(offset=2**64 - 32), "it is truncated"),
    "shared-offset": (tensor(offset=0), "lie in one another"),
    "long-name": (tensor(name=b"o" * 70_000), "longer than 63 bytes"),
    "twice": (lambda file: file.tensors.append(copy.deepcopy(file.tensors[0])), "two tensors 'token_embd.weight'"),
    "one-too-many": (
        lambda file: file.tensors.append(Tensor(b"extra", [64], 0, 0)),
        "'extra' and 'token_embd.weight' lie in one another",
    ),
    "no-tensors": (lambda file: file.tensors.clear(), "not found"),
}
CRASH: dict[str, tuple[Change, str]] = {
    "unknown-scaling": (
        put("llama.rope.scaling.type", "text", b"xx"),
        r"it loaded: llama-model\.cpp:\d+: GGML_ASSERT",
    ),
    "no-byte-tokens": (no_byte_tokens, r"while it answered: what\(\): "),
    "output-of-int32": (tensor(kind=26), "while it answered"),
}
NO_NUMBERS: dict[str, Change] = {
    "all-nan": filled(OUTPUT, math.nan),
    "one-nan": filled(OUTPUT, math.nan, 1),
    "nan-within": filled("blk.0.ffn_down.weight", math.nan, 1),
    "nan-embedding": filled("token_embd.weight", math.nan),
    "infinite": filled(OUTPUT, math.inf),
    "too-large": filled(OUTPUT, 1e38),
    "other-type": tensor(kind=1),
    "no-rope": put("llama.rope.freq_base", "f32", 0.0),
}
ANSWER: dict[str, Change] = {
    "sound": lambda file: None,
    "wrong-vocabulary-size": put("llama.vocab_size", "u32", 10**9),
    "end-token-out-of-range": put(VOCABULARY + "eos_token_id", "u32", 10**6),
    "begin-token-negative": put(VOCABULARY + "bos_token_id", "u32", 2**32 - 1),
    "merges-of-bytes": put(VOCABULARY + "merges", "texts", [b"\xff \xfe", b"", b" ", b"nothing"]),
    "odd-token-types": put(VOCABULARY + "token_type", "i32s", [3, 3, 3] + [-5] * 509),
    "template-of-bytes": put("tokenizer.chat_template", "text", b"\xff{{ 1 }}"),
    "template-with-nul": put("tokenizer.chat_template", "text", b"a\0b{{ 1 }}"),
    "template-is-a-number": put("tokenizer.chat_template", "u32", 3),
    "no-output": lambda file: file.tensors.pop(),
    "zeros": filled(OUTPUT, 0.0),
    "long-context": put("llama.context_length", "u32", 1 << 20),
}
SAMPLING: list[dict[str, Any]] = [
    {"temperature": 0},
    {"temperature": 0, "logit_bias": {300: 100}},
    {"temperature": 1, "top_k": 5, "min_p": 0.1},
    {"logprobs": True, "top_logprobs": 5, "post_sampling_probs": True},
    {"prompt_logprobs": 3, "n": 3},
    {"mirostat": 1},
    {"mirostat": 2},
    {"suppress": ["word"], "min_tokens": 5},
    {"dry_multiplier": 1, "repeat_penalty": 2},
]
PIDS: dict[Hub, int | None] = {}  # of the sound model's worker
FILES = {**{n: c for n, (c, _) in {**REFUSED, **CRASH}.items()}, **NO_NUMBERS, **ANSWER}


@pytest.fixture(scope="module")
def hub_of_all(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hub]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MODELHUB_HOME", str(tmp_path_factory.mktemp("home")))
        hub = Hub()
        yield hub
        hub.close()


@pytest.fixture(scope="module")
def outcomes(hub_of_all: Hub, random_gguf: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Future[str]]:
    """What came of asking each file, several at a time: an answer or an error."""
    folder = tmp_path_factory.mktemp("files")
    made = GgufFile(random_gguf)

    def asked(name: str) -> str:
        file = copy.deepcopy(made)
        FILES[name](file)
        path = file.write(folder / f"{name}.gguf")
        try:
            response = hub_of_all.chat("hi there", model=str(path), max_tokens=3, temperature=0)
            assert response.wait(SECONDS), "it hangs"
            return response.text()
        finally:
            if any(engine.card.id == name for engine in hub_of_all.engines()):
                hub_of_all.unload(str(path))
            path.unlink()

    with ThreadPoolExecutor(AT_ONCE) as pool:
        return {name: pool.submit(asked, name) for name in FILES}  # when all are done


@pytest.fixture(autouse=True)
def lives(hub_of_all: Hub, random_gguf: Path) -> Iterator[None]:
    """After each test a sound model in the same hub answers, in the process it has had from the beginning."""
    yield
    response = hub_of_all.chat("hi", model=str(random_gguf), max_tokens=2, logit_bias={0: -100, 1: -100, 2: -100})
    assert response.text()
    pid = hub_of_all.engine(str(random_gguf)).pid
    assert pid == PIDS.setdefault(hub_of_all, pid)


def error(future: Future[str], kind: type[HubError]) -> HubError:
    with pytest.raises(kind) as caught:
        future.result(SECONDS)
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 500
    return caught.value


@pytest.mark.parametrize("name", REFUSED)
def test_a_file_that_cannot_be(outcomes: dict[str, Future[str]], name: str) -> None:
    """What a header says wrongly is an error that names the file and what is wrong with it."""
    raised = error(outcomes[name], ModelFileError)
    assert raised.path.endswith(f"{name}.gguf") and f"{name}.gguf" in str(raised)
    assert re.search(REFUSED[name][1], str(raised)), raised


@pytest.mark.parametrize("name", CRASH)
def test_a_file_that_ends_the_worker(outcomes: dict[str, Future[str]], name: str) -> None:
    """What llama.cpp ends the process over is a crash in one line, with the assertion that failed and no folder."""
    raised = error(outcomes[name], EngineCrashed)
    assert re.search(CRASH[name][1], str(raised)), raised
    assert f"the worker of {name} died (signal " in str(raised) and "/" not in str(raised)


@pytest.mark.parametrize("name", NO_NUMBERS)
def test_a_file_whose_logits_are_not_numbers(outcomes: dict[str, Future[str]], name: str) -> None:
    """Damaged weights give an error and not tokens."""
    raised = error(outcomes[name], EngineFailed)
    assert str(raised) == f"{name}: the model gave logits that are not numbers: its file is damaged"


def test_nothing_is_drawn_from_what_is_no_number(hub_of_all: Hub, random_gguf: Path, tmp_path: Path) -> None:
    """Whatever the sampling, with log probabilities or without, and for a perplexity too, it is the same error."""
    file = GgufFile(random_gguf)
    filled("blk.0.ffn_down.weight", math.nan, 1)(file)
    path = str(file.write(tmp_path / "damaged.gguf"))
    said = "damaged: the model gave logits that are not numbers: its file is damaged"
    for options in SAMPLING:
        response = hub_of_all.chat("hi there", model=path, max_tokens=3, **options)
        assert response.wait(SECONDS) and str(response.error) == said, options
        assert response.partial() == ""
    with pytest.raises(EngineFailed, match=said):
        hub_of_all.perplexity("hello there, whoever reads this", model=path)
    assert hub_of_all.engine(path).state == "running"
    hub_of_all.unload(path)


@pytest.mark.parametrize("unified", [False, True])
def test_a_token_that_is_no_number_spoils_one_request(own_hub: Hub, random_gguf: Path, tmp_path: Path, unified: bool
                                                      ) -> None:  # fmt: skip
    """With one damaged row of weights the prompts that have its token fail; what comes after them is as it was."""
    file = GgufFile(random_gguf)
    at, width = file.tensor("token_embd.weight"), 64
    row = 3 + ord("x")  # behind three control tokens, the bytes
    begin = at.offset + 4 * width * row
    file.data = file.data[:begin] + struct.pack("<f", math.nan) * width + file.data[begin + 4 * width :]
    path = str(file.write(tmp_path / "row.gguf"))
    own_hub.load(path, kv_unified=unified, slots=2)
    banned = {0: -100, 1: -100, 2: -100, row: -100}
    ask = {"model": path, "temperature": 0, "max_tokens": 20, "logit_bias": banned}
    sound = own_hub.chat("hello there", **ask).text()
    for prompt in ("hello x there", "x", "hello there, x " * 9):
        with pytest.raises(EngineFailed, match="not numbers"):
            own_hub.chat(prompt, **ask).text()
        assert own_hub.chat("hello there", **ask).text() == sound
    answers = [own_hub.chat(p, **ask) for p in ("hello there", "x again", "hello there")]
    assert answers[1].wait(SECONDS) and isinstance(answers[1].error, EngineFailed)
    assert all(a.wait(SECONDS) for a in answers)
    assert own_hub.chat("hello there", **ask).text() == sound


@pytest.mark.parametrize("name", ANSWER)
def test_a_file_that_is_only_odd(outcomes: dict[str, Future[str]], name: str) -> None:
    """What does no harm is loaded and answers; a NUL ends a text, and a template that is none is ChatML."""
    text = outcomes[name].result(SECONDS)
    assert text == text.encode("utf-8", "replace").decode() and (text or name in {"zeros", "odd-token-types"})
    if name in {"wrong-vocabulary-size", "end-token-out-of-range", "begin-token-negative"}:
        assert text == outcomes["sound"].result(SECONDS)
