"""How surprised a model is by a text: the result of `Hub.perplexity`, and what collects it while the text is read."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

from modelhub.errors import BadRequest, EngineFailed
from modelhub.kernels.protocol.events import Event, Progress, PromptLogprobs, Started, Warned

MAX_BYTES = 8 << 20  # of a text: each of its tokens becomes an entry of about 500 bytes in the kernel
MAX_TOP = 20  # alternatives a token, as OpenAI's API has it


@dataclass(eq=False)
class Perplexity:
    """How surprised a model was by a text. `hub.perplexity(text)` gives one.

    entries: one a token, in the order of the text, as OpenAI's logprobs.content has them: `token`, `id`, `bytes`,
        `logprob` (natural logarithm) and `top_logprobs`, the alternatives. The first has logprob None: nothing
        stands before it. It is the model's begin-of-text token where the model has one, else the text's own first.
    window: the most tokens read at once. stride: how many of them each window after the first has that are new.
    windows: how many there were; a token of a later one has at least window - stride tokens before it.
    begins: whether the first entry is the begin-of-text token.
    """

    model: str
    text: str = field(repr=False)
    entries: list[dict[str, Any]]
    window: int
    stride: int
    windows: int
    begins: bool
    warnings: list[str]

    @property
    def tokens(self) -> int:
        """How many tokens count: all but the first entry."""
        return len(self.entries) - 1

    @property
    def nll(self) -> float:
        """The mean negative log probability of a counted token, in nats: 0 is certainty."""
        return -math.fsum(e["logprob"] for e in self.entries[1:]) / self.tokens

    @property
    def perplexity(self) -> float:
        """exp(nll): 1 is certainty, the size of the vocabulary blind guessing; infinite above about 1e308."""
        nll = self.nll
        return math.exp(nll) if nll < 709 else math.inf

    @property
    def bytes(self) -> int:
        """How many bytes of UTF-8 the counted tokens stand for: those of the text, less an uncounted first token's."""
        size = len(self.text.encode())
        return max(1, size if self.begins else size - len(self.entries[0]["bytes"]))

    @property
    def bits_per_byte(self) -> float:
        """Bits needed for a byte of the text: comparable between models whose tokens differ."""
        return self.nll * self.tokens / (self.bytes * math.log(2))

    def least(self, count: int = 8) -> list[dict[str, Any]]:
        """The `count` least probable entries, least first, each with `index`, its place among the entries."""
        order = sorted(range(1, len(self.entries)), key=lambda i: self.entries[i]["logprob"])
        return [{"index": i, **self.entries[i]} for i in order[:count]]

    def figures(self) -> str:
        """The figures in one line."""
        nll, tokens = self.nll, self.tokens
        shown = f"{self.perplexity:,.2f}" if nll < 16 else f"{self.perplexity:.3g}"
        reading = f"window {self.window:,}" + (f", stride {self.stride:,}" if self.windows > 1 else "")
        return (
            f"perplexity {shown} · {nll:.3f} nats a token · {self.bits_per_byte:.3f} bits a byte · "
            f"{tokens:,} token{'' if tokens == 1 else 's'} · {reading} · {self.model}"
        )

    def to_dict(self) -> dict[str, Any]:
        """Everything as plain data that JSON can say; an infinite perplexity is None."""
        perplexity = self.perplexity
        return {
            "model": self.model,
            "text": self.text,
            "perplexity": perplexity if math.isfinite(perplexity) else None,
            "nll": self.nll,
            "bits_per_byte": self.bits_per_byte,
            "tokens": self.tokens,
            "bytes": self.bytes,
            "window": self.window,
            "stride": self.stride,
            "windows": self.windows,
            "begins": self.begins,
            "entries": [dict(e) for e in self.entries],
            "warnings": list(self.warnings),
        }

    def __repr__(self) -> str:
        return f"<Perplexity {self.figures().removeprefix('perplexity ')}>"


class Scoring:
    """What has come of a text that is being read."""

    def __init__(self, model: str, text: str) -> None:
        """Nothing has come of `text` yet."""
        self.progress: Progress | None = None
        self._model, self._text = model, text
        self._entries: list[dict[str, Any] | None] = []
        self._done = 0
        self._reading: dict[str, Any] = {}
        self._warnings: list[str] = []

    def feed(self, event: Event) -> None:
        """Take what the engine yielded."""
        match event:
            case Progress():
                self.progress = event
            case Warned():
                self._warnings.append(event.text)
            case Started():
                self._reading = {name: event.details[name] for name in ("window", "stride", "windows", "begins")}
                self._entries = [None] * event.details["prompt_tokens"]
                self._advance(0)
            case PromptLogprobs():
                # Windows are read side by side: each piece says where its place is.
                self._entries[event.at : event.at + len(event.entries)] = event.entries
                self._advance(len(event.entries))

    def result(self) -> Perplexity:
        """What came of it. Raises EngineFailed when part of it is missing."""
        entries = [e for e in self._entries if e is not None]
        if len(entries) < max(2, len(self._entries)):
            raise EngineFailed(f"the text was not read to its end: {len(entries)} of {len(self._entries)} tokens came")
        reading, warnings = self._reading, list(self._warnings)
        if reading["windows"] > 1:
            warnings.append(
                f"the text has {len(entries):,} tokens and the window {reading['window']:,}: it was read in "
                f"{reading['windows']:,} windows, each {reading['stride']:,} tokens on from the one before"
            )
        if not reading["begins"]:
            warnings.append("the first token has no probability, for nothing stands before it: it is not counted")
        return Perplexity(self._model, self._text, entries, **reading, warnings=warnings)

    def _advance(self, count: int) -> None:
        self._done += count
        total = len(self._entries)
        self.progress = Progress(f"{self._done:,} of {total:,} tokens read", self._done / total if total else None)


def check(text: Any, window: Any, stride: Any, top: Any) -> None:
    """What can be said before a model is at hand. Raises BadRequest."""
    if not isinstance(text, str):
        raise BadRequest(f"text must be text; got {type(text).__name__}", param="text")
    if not text:
        raise BadRequest("the text is empty: there is nothing to score", param="text")
    try:
        size = len(text.encode())
    except UnicodeEncodeError as error:
        raise BadRequest(
            f"text must be whole characters; half of one stands at {error.start}. "
            "Type text.encode('utf-8', 'replace').decode() to have a question mark there",
            param="text",
        ) from None
    if size > MAX_BYTES:
        raise BadRequest(f"text may have {MAX_BYTES:,} bytes; this has {size:,}: score it in parts", param="text")
    _whole("window", window, 2, None)
    _whole("stride", stride, 1, None)
    if window is not None and stride is not None and stride >= window:
        raise BadRequest(
            f"stride must be less than the window, so that each token has others before it; got {stride} for a window "
            f"of {window}",
            param="stride",
        )
    _whole("top", top, 0, MAX_TOP)


def _whole(name: str, value: Any, least: int, most: int | None) -> None:
    if value is None and name != "top":
        return
    right = isinstance(value, int) and not isinstance(value, bool)
    if not right or value < least or (most is not None and value > most):
        wanted = f"from {least} to {most}" if most is not None else f"from {least}"
        raise BadRequest(f"{name} must be a whole number {wanted}; got {value!r:.40}", param=name)
