"""What an engine yields while it answers. One stream of these is the truth; a completion is its fold."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

LEAST = -9999.0  # what OpenAI's API writes for a logarithm that JSON cannot say, minus infinity; none is below it


@dataclass(frozen=True, slots=True)
class Progress:
    """Work before the answer: `stage` in words ("loading tiny-chat"), `part` done from 0 to 1, or None."""

    stage: str
    part: float | None = None


@dataclass(frozen=True, slots=True)
class Started:
    """The engine took the request. `details` are facts for `Response.debug`; of more than one of these all count.

    A remote engine and its readers say, where they know it: `raw`, a `protocol.raw.Raw`; `said`, what the provider says
    of its answer before the first text of it (`id`, `model`, `created`, `system_fingerprint`, `service_tier`); `usage`,
    as of `Ended`, as far as it is known while the answer comes.
    """

    details: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Delta:
    """New text of choice `index`, `tokens` tokens long; `logprobs` are entries of OpenAI's logprobs.content."""

    index: int
    text: str
    tokens: int = 1
    logprobs: tuple[dict[str, Any], ...] = ()


@dataclass(frozen=True, slots=True)
class Reasoned:
    """New text of what choice `index` thinks before and beside its answer."""

    index: int
    text: str


@dataclass(frozen=True, slots=True)
class Refused:
    """New text of a refusal, where the provider sends it apart from the answer."""

    index: int
    text: str


@dataclass(frozen=True, slots=True)
class Called:
    """A piece of tool call `number` (from 0, dense, in order) of choice `index`.

    ident and name: said with the call's first piece, and not again ("" then); ident is "" where the provider has none.
    arguments: new text of its arguments, JSON once it is whole. extra: what must be sent back with the call, as a
    thought signature; merged.
    """

    index: int
    number: int
    ident: str = ""
    name: str = ""
    arguments: str = ""
    extra: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Kept:
    """Blocks of choice `index` that must go back to the provider with its message, as signed or encrypted thoughts.

    They have the shape the provider sent and are appended to the message's `reasoning_details`.
    """

    index: int
    blocks: tuple[dict[str, Any], ...]


@dataclass(frozen=True, slots=True)
class Pictured:
    """A picture of choice `index`, as OpenAI's `image_url` part has it: a data: URL, or an address never fetched."""

    index: int
    url: str


@dataclass(frozen=True, slots=True)
class PromptLogprobs:
    """Entries as of logprobs.content for tokens of the prompt, the first of them being token `at` (from 0)."""

    at: int
    entries: tuple[dict[str, Any], ...]


@dataclass(frozen=True, slots=True)
class Warned:
    """Something the user should know and need not act on."""

    text: str


@dataclass(frozen=True, slots=True)
class Ended:
    """The end of the answer.

    `finish` has one OpenAI finish reason a choice, None where it was stopped by the user; `kept` says how many
    entries of each choice's logprobs stand in its text; `usage` is OpenAI's usage object, {} where nobody counted;
    `details` go to `Response.debug`. natives: a provider's own finish reasons, one a choice, where it gave them.

    finish is "error" where the provider gave up in the middle, and None where a complete reply does not say why it
    ended.
    """

    finish: tuple[str | None, ...]
    kept: tuple[int, ...]
    usage: dict[str, Any]
    details: dict[str, Any] = field(default_factory=dict)
    natives: tuple[str | None, ...] = ()


Event = Progress | Started | Delta | Reasoned | Refused | Called | Kept | Pictured | PromptLogprobs | Warned | Ended
