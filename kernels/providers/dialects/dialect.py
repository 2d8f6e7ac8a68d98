"""What every dialect can do: build a call from a request, read a reply, read a list of models."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from modelhub.kernels.protocol.events import Ended, Event
from modelhub.kernels.protocol.request import ChatRequest
from modelhub.kernels.providers.provider import Provider
from modelhub.kernels.providers.rules import FieldRule, Target
from modelhub.kernels.providers.stream.server_event import ServerEvent


@dataclass(frozen=True, slots=True)
class Call:
    """One HTTP request, without the key.

    body: JSON, or None. headers: besides the provider's own, the key's and those of every request. stream: whether a
    stream is asked for, which says no more than what is hoped for: the reply may be one object all the same.
    """

    method: str
    url: str
    body: dict[str, Any] | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    stream: bool = False


@dataclass(frozen=True, slots=True)
class Listed:
    """One model of a provider's list; what the list does not say is None or empty.

    lengths are tokens; prices are US dollars for a million tokens, by `prompt`, `completion`, `cached`; kind: `chat`,
    `completion`, `embedding` or `other`, None where the list does not say. parameters: the fields it takes, by the
    provider's names. created: Unix seconds. raw: the row as it came.
    """

    id: str
    title: str = ""
    kind: str | None = None
    context_length: int | None = None
    most_output: int | None = None
    capabilities: tuple[str, ...] = ()
    parameters: tuple[str, ...] = ()
    prices: Mapping[str, float] = field(default_factory=dict)
    created: int | None = None
    owned_by: str | None = None
    description: str | None = None
    retired: bool = False
    raw: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Page:
    """One page of a list. following: parameters of the next page's request, {} on the last one."""

    rows: tuple[Listed, ...]
    following: Mapping[str, str] = field(default_factory=dict)


class Reader(Protocol):
    """Reads one reply. A reply comes as a stream of events, or whole; then `end` says how it ended.

    Each method gives events of `protocol.events` in the order in which they are to be told; none of them `Ended`, which
    `end` alone gives. Raises ProviderError for an error in the reply, of whatever HTTP status.
    """

    def event(self, event: ServerEvent) -> list[Event]:
        """Read one event of a stream, or one line of NDJSON."""

    def whole(self, body: Any) -> list[Event]:
        """Read a reply that came as one JSON value."""

    def rest(self) -> list[Event]:
        """What was held back, as half a character or half a tag, and what is counted: asked where a reply broke off."""

    def end(self) -> Ended:
        """The reply is over: nothing more will come. Raises StreamTruncated where its end was not seen."""


class Dialect(Protocol):
    """One way of talking to providers."""

    name: str
    rules: Mapping[str, FieldRule]
    """What it does with each field of `honesty.LOCAL`'s keys; records and dated rules change it."""

    def build(self, request: ChatRequest, target: Target) -> Call:
        """The call for a request that `rules` have let through. Raises BadRequest for what cannot be said in it."""

    def reader(self, request: ChatRequest, target: Target) -> Reader:
        """A reader for one reply to `request`."""

    def list_call(self, provider: Provider, following: Mapping[str, str]) -> Call:
        """The call for a page of the provider's models."""

    def list_page(self, body: Any, provider: Provider) -> Page:
        """Read a page of models. Raises ValueError where it is none."""
