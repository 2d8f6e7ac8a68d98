"""A provider: who serves models, as data. Packaged ones stand in `records.toml`, a user's in the home folder."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Literal
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field

Json = dict[str, Any]

# Models that no chat is with, by the names they go by everywhere, then those that are not for every day.
NOT_FOR_CHATS = (
    "*embed*", "*whisper*", "*tts*", "*transcribe*", "*speech*", "*audio*", "*realtime*", "*voice*", "*dall-e*",
    "*-image*", "*imagen*", "*veo-*", "sora*", "*stable-diffusion*", "*sdxl*", "*flux*", "*moderation*", "*guard*",
    "*rerank*", "*retriev*", "*reward*", "*bge-*", "*gte-*", "e5-*", "*-e5-*", "*minilm*", "*-ocr*", "*parse*",
    "babbage-*", "davinci-*", "aqa", "*computer-use*", "*lyria*",
)  # fmt: skip
NIGHTLY = ("*nightly*", "*-preview*", "*-exp", "*-exp-*", "*-experimental*", "*-alpha*", "*-beta*", "*-rc[0-9]*")


class Listing(BaseModel):
    """Where a provider lists its models.

    path: behind the base URL, or a whole address. paging: how further pages are asked for: `after_id` (Anthropic),
    `page_token` (Cohere), `pageToken` (Gemini) or none. params: of the first request. needs_key: whether the list
    answers without one. fixed: ids that stand for the list where there is none, with `dated`, the day they were true.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    path: str = "/models"
    paging: Literal["after_id", "page_token", "pageToken"] | None = None
    params: dict[str, str | int] = {}
    needs_key: bool = True
    fixed: tuple[str, ...] = ()
    dated: str | None = None


class Provider(BaseModel):
    """One provider, or one instance of it.

    name: what stands before the slash of a model's full name; it never changes. like: the packaged record an instance
    is made after, whose dated rules hold for it; "" for a packaged one. base_url: without a slash at its end.
    dialect: how it is talked to; one of `dialects.NAMES`. key_header, key_scheme: where the key goes
    ("Authorization", "Bearer"; the scheme may be ""). needs_key: whether it answers without one. key_env, url_env:
    names of environment variables, the first found counts; setting_env: that of a setting, by the setting's name.
    headers: sent with each request; never a key. links: pages for people: `keys`, `models`, `docs`. capabilities: of
    most of its models, as `tools`, `vision`, `logprobs`. fields: what it does with fields of a request, over its
    dialect's rules; see `rules.FieldRule`. settings: what its dialect knows of it, as `api_version`. hide: patterns of
    model ids that are listed with --all only, in small letters, as of a shell. connect, first, idle: seconds until a
    connection stands, until the first data, and between data. ca: a file of certificates. allow_http: plain http may be
    spoken to another machine.
    source: `packaged`, `yours` or `plugin`. enabled: whether it is listed.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    title: str = ""
    like: str = ""
    base_url: str
    dialect: str = "openai"
    key_header: str = "Authorization"
    key_scheme: str = "Bearer"
    needs_key: bool = True
    key_env: tuple[str, ...] = ()
    url_env: tuple[str, ...] = ()
    setting_env: dict[str, str] = {}
    headers: dict[str, str] = {}
    models: Listing = Listing()
    links: dict[str, str] = {}
    capabilities: tuple[str, ...] = ()
    fields: dict[str, Json] = {}
    settings: Json = {}
    hide: tuple[str, ...] = (*NOT_FOR_CHATS, *NIGHTLY)
    connect: float = Field(10.0, gt=0)
    first: float = Field(600.0, gt=0)
    idle: float = Field(120.0, gt=0)
    ca: str | None = None
    allow_http: bool = False
    source: str = "packaged"
    enabled: bool = True

    def __repr_args__(self) -> Iterable[tuple[str | None, Any]]:
        """What differs from a provider of which nothing is said: a screen holds that."""
        defaults = {name: field.default for name, field in type(self).model_fields.items()}
        return [(name, value) for name, value in super().__repr_args__() if name is None or value != defaults.get(name)]

    @property
    def record(self) -> str:
        """The packaged record whose rules hold for it: its own name, or that of the one it is made after."""
        return self.like or self.name

    @property
    def shown(self) -> str:
        """Its name for people."""
        return self.title or self.name

    @property
    def origin(self) -> str:
        """Scheme, host and port of its address: what a key is bound to."""
        return origin_of(self.base_url)


def origin_of(url: str) -> str:
    """Scheme, host and port of an address, in one spelling: `https://api.openai.com:443`."""
    parts = urlsplit(url)
    port = parts.port or {"http": 80, "https": 443}.get(parts.scheme, 0)
    host = (parts.hostname or "").lower()
    return f"{parts.scheme.lower()}://{f'[{host}]' if ':' in host else host}:{port}"
