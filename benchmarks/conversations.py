"""Two long conversations asked in turn: time to the first token beside a single conversation's, and from disk."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from benchmarks.cached_models import LETTER_A, small, words
from benchmarks.figure import Options, Row, Samples
from benchmarks.high_level import HighLevel
from benchmarks.hub_model import HubModel, first_token
from modelhub.kernels.response import Response

LONG, LONG_FULL = 1500, 3800  # tokens of the first prompt
CONTEXT = 4608
NEW = 40  # letters of each later question
LIMIT_MS, LIMIT_DISK_MS = 50, 20
ANSWER: dict[str, Any] = {"logit_bias": {LETTER_A: 100}}  # known tokens: what was drawn is read again alike
DRAWN = 8
KEPT = {"prompt_cache_key": "benchmark", "prompt_cache_retention": "24h"}


class Conversation:
    """Messages that grow by a question and an answer."""

    def __init__(self, tokens: int, seed: int) -> None:
        self.seed = seed
        self.messages: list[dict[str, Any]] = [{"role": "user", "content": words(tokens, seed)}]

    def ask(self, model: HubModel, **fields: Any) -> float:
        """Milliseconds to the first token of the next turn."""
        response = model.ask(self.messages, DRAWN, **ANSWER, **fields)
        self.grow(response.partial())
        return 1e3 * first_token(response)

    def grow(self, answer: str) -> None:
        """Add the answer, and the next question."""
        self.seed += 100
        self.messages += [{"role": "assistant", "content": answer}, {"role": "user", "content": words(NEW, self.seed)}]


def measure(options: Options) -> list[Row]:
    """Both layouts of the context's memory, then the high-level API, then a restart in between."""
    tokens = LONG_FULL if options.full else LONG
    rows = []
    for unified in (True, False):
        rows += _alternating(tokens, unified, options)
    return [*rows, *_high_level(tokens), *_from_disk(tokens, options)]


def _alternating(tokens: int, unified: bool, options: Options) -> list[Row]:
    single: list[float] = []
    switched: list[float] = []
    with HubModel(small(), context=CONTEXT, slots=4, kv_unified=unified) as model:
        one, other = Conversation(tokens, 1), Conversation(tokens, 2)
        read = [conversation.ask(model) for conversation in (one, other)]
        for _ in range(options.times(5)):
            single.append(other.ask(model))  # as the turn before: a single conversation goes on
            switched.append(one.ask(model))
            one, other = other, one
            single.append(other.ask(model))
            switched.append(one.ask(model))
            one, other = other, one
    more = Samples([b - a for a, b in zip(single, switched, strict=True)])
    layout = "one pool of cells" if unified else "a context for each sequence"
    return [
        Row(f"first token after another conversation, beyond a single one's, {layout}", f"≤ {LIMIT_MS} ms",
            more.show(1, "ms"), more.median <= LIMIT_MS,
            f"two of {tokens:,} tokens, 135M Q8_0, {NEW + 8} tokens new: {Samples(switched).show(0, 'ms')} after "
            f"the other, {Samples(single).show(0, 'ms')} after itself; {read[0]:,.0f} ms to read one"),
    ]  # fmt: skip


def _high_level(tokens: int) -> list[Row]:
    with HighLevel(small(), n_ctx=CONTEXT) as peer:
        both = [Conversation(tokens, 1), Conversation(tokens, 2)]
        for conversation in both:
            peer.times(conversation.messages, DRAWN)
            conversation.grow("a" * DRAWN)
        again = 1e3 * peer.times(both[1].messages, DRAWN)[0]
        switched = 1e3 * peer.times(both[0].messages, DRAWN)[0]
    return [
        Row("the same, the high-level API", "", f"{switched - again:,.0f} ms", None,
            f"peer: `llama_cpp.Llama` keeps one conversation: {switched:,.0f} ms after the other, "
            f"{again:,.0f} ms after itself"),
    ]  # fmt: skip


def _from_disk(tokens: int, options: Options) -> list[Row]:
    """Documents are read once under a key each, and asked about again: from memory, and from disk in a new worker."""
    path: Path = small()
    cost: list[float] = []
    restoring: list[float] = []
    equal = 0
    repeats = options.times(3)
    kept = 0
    for turn in range(repeats):
        documents = [{"role": "system", "content": words(tokens, 10 + 2 * turn + number)} for number in range(2)]
        keys = [{**KEPT, "prompt_cache_key": f"{turn}-{number}"} for number in range(2)]
        seen = {"logprobs": True, "top_logprobs": 5}

        def ask(model: HubModel, document: dict[str, Any], question: int, **fields: Any) -> Response:
            return model.ask([document, {"role": "user", "content": words(NEW, question)}], DRAWN, **fields)

        # In one pool of cells where a document lies changes the last bits: equality is promised for the other layout.
        with HubModel(path, context=CONTEXT, slots=4, kv_unified=False) as model:
            for document, key in zip(documents, keys, strict=True):
                ask(model, document, 1, **key)
            before = ask(model, documents[1], 2, **seen)
        with HubModel(path, context=CONTEXT, slots=4, kv_unified=False) as model:
            ask(model, documents[0], 2, **keys[0])  # what a new worker does once at this length is not the disk's
            disk = ask(model, documents[1], 2, **seen, **keys[1])
            memory = ask(model, documents[1], 3, **seen)
        kept = disk.usage()["prompt_tokens_details"]["cached_tokens"]
        restoring.append(1e6 * disk.debug["timings"]["queue_s"] / tokens)
        cost.append(1e6 * (first_token(disk) - first_token(memory)) / tokens)
        equal += before.partial() == disk.partial() and before.logprobs == disk.logprobs
    restored = kept >= tokens // 2
    got = Samples(cost)
    return [
        Row("a long document from disk, for each 1,000 tokens", f"≤ {LIMIT_DISK_MS} ms", got.show(1, "ms"),
            restored and got.median <= LIMIT_DISK_MS,
            f"135M Q8_0, first token in a new worker beyond another question's, from memory, {kept:,} tokens restored; "
            f"by the worker's clock, before it began to evaluate: {Samples(restoring).show(1, 'ms')}" if restored
            else "NOT restored: the prompt was read again"),
        Row("the same: text and log probabilities equal to those from memory", "all", f"{equal} of {repeats}",
            equal == repeats, f"{DRAWN} tokens, greedy, top 5, bit for bit; a context for each sequence"),
    ]  # fmt: skip
