"""Providers from rows: what the user, or a plugin, says of one, over the packaged record it is made after."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from pydantic import ValidationError

from modelhub.errors import BadRequest, did_you_mean
from modelhub.kernels.protocol.request import short
from modelhub.kernels.providers import records
from modelhub.kernels.providers.addresses import address, check_http, is_near
from modelhub.kernels.providers.dialects import NAMES as DIALECTS
from modelhub.kernels.providers.keys.header_keys import headers_without_keys
from modelhub.kernels.providers.names import check_name
from modelhub.kernels.providers.provider import Provider, origin_of
from modelhub.kernels.providers.user_rules import trouble_of

Row = dict[str, Any]

# What a row may say; the rest is made of it.
SAID = frozenset(Provider.model_fields) - {"name", "source"}
# What of a record does not hold for an instance made after it: where it is, and whose keys it takes.
OWN = {
    "name", "title", "source", "like", "base_url", "key_env", "url_env", "setting_env", "links", "capabilities",
    "enabled",
}  # fmt: skip
OLLAMA = 11434  # its port, where an address has neither a scheme nor a port


def like_of(said: str) -> Row:
    """What `dialect=` says: a packaged record to be like, by its name or another word for it, or a dialect alone.

    Raises BadRequest.
    """
    word = records.ALIASES.get(said, said) if isinstance(said, str) else ""
    if word in records.packaged():
        return {"like": word, "dialect": records.packaged()[word].dialect}
    if word in DIALECTS:
        return {"like": "", "dialect": word}
    known = [*DIALECTS, *records.packaged(), *records.ALIASES]
    raise BadRequest(
        f"there is no dialect {short(said)}.{did_you_mean(str(said), known)} There are {', '.join(DIALECTS)}; the name "
        f"of a provider it is like does as well: {', '.join(n for n in records.packaged() if n not in DIALECTS)}",
        param="dialect",
    )


def made(name: str, row: Mapping[str, Any], base: Provider | None, source: str) -> Provider:
    """The provider of a row. base: the record or the plugin's provider that the row changes, where there is one.

    Raises BadRequest for a row that is none.
    """
    check_name(name)
    if wrong := row.keys() - SAID:
        raise BadRequest(f"a provider has no {min(wrong)}.{did_you_mean(min(wrong), SAID)}", param=min(wrong))
    said = dict(row)
    whole: Row = {}
    if base is not None:
        whole = base.model_dump()
        if "base_url" in said and not _at_home(address_of(said["base_url"], base), base):
            whole |= {"key_env": (), "url_env": ()}
    else:
        like = said.get("like", "")
        record = records.packaged().get(like)
        if like and record is None:
            raise BadRequest(f"it is made after {short(like)}, and there is no such record", param="like")
        if record is not None:
            whole = record.model_dump(exclude=OWN)
            said.setdefault("base_url", record.base_url)
    if isinstance(said.get("settings"), Mapping):
        said["settings"] = over(whole.get("settings", {}), said["settings"])
    whole |= said
    if "base_url" not in whole:
        raise nowhere()
    try:
        provider = Provider(**{**whole, "name": name, "source": source})
    except ValidationError as error:
        raise _line(error) from None
    if "fields" in said and (why := trouble_of(provider.fields)):
        raise BadRequest(f"fields: {why}", param="fields")
    if provider.dialect not in DIALECTS:
        raise BadRequest(f"there is no dialect {short(provider.dialect)}; there are {', '.join(DIALECTS)}")
    if not provider.base_url and base is None:
        raise nowhere()
    if provider.base_url:
        provider = _placed(provider, base)
    return provider


def over(settings: Mapping[str, Any], said: Mapping[str, Any]) -> Row:
    """Settings with what is said over them: each by itself, and None leaves one out."""
    return {name: value for name, value in {**settings, **said}.items() if value is not None}


def nowhere() -> BadRequest:
    """The error for a provider without an address."""
    return BadRequest("base_url is missing: say where it is, as https://example.com/v1", param="base_url")


def _at_home(url: str, base: Provider) -> bool:
    """Whether an address is one that a record's own keys are for."""
    if base.dialect == "azure":
        host = urlsplit(url).hostname or ""
        return url.startswith("https://") and host.endswith((".openai.azure.com", ".services.ai.azure.com"))
    return origin_of(url) == base.origin


def _placed(provider: Provider, base: Provider | None) -> Provider:
    """With its address as it is kept, which may be asked as it is."""
    url = address_of(provider.base_url, base or records.packaged().get(provider.like) or provider)
    check_http(url, provider.needs_key, provider.allow_http)
    return provider if url == provider.base_url else provider.model_copy(update={"base_url": url})


def address_of(text: str, like: Provider) -> str:
    """An address as it is kept, for a provider like this one. Raises BadRequest."""
    return _address(text, like)[0]


def _address(text: str, like: Provider) -> tuple[str, dict[str, str]]:
    if like.dialect == "ollama" and isinstance(text, str):  # which reads OLLAMA_HOST so: envconfig/config.go
        text = text.strip().strip("\"'")
        if "://" not in text:
            return address(f"http://{'localhost' * text.startswith(':')}{text}", like.dialect, path_of(like), OLLAMA)
    return address(text, like.dialect, path_of(like))


def path_of(like: Provider) -> str:
    """The path of a record's address, for one that is typed without any."""
    if like.dialect == "azure":
        return "/openai/v1"
    record = records.packaged().get(like.record) or records.packaged()["openai"]
    return urlsplit(record.base_url).path


def settled(row: Row, base: Provider | None) -> Row:
    """A row with its address as it is kept; a version of the API that stood in it is among its settings."""
    like = base or records.packaged().get(row.get("like", ""))
    if like is None:
        like = records.packaged()["openai"].model_copy(update={"dialect": row.get("dialect", "openai")})
    url, query = _address(row["base_url"], like)
    version = {"api_version": query["api-version"]} if query.get("api-version") else {}
    return {**row, "base_url": url, **({"settings": {**version, **row.get("settings", {})}} if version else {})}


def of_plugin(name: str, thing: Any) -> Provider:
    """The provider that a plugin registered: a dict with `name`, `base_url` and other fields of `Provider`.

    `dialect` may name a packaged provider. Raises BadRequest for what is none.
    """
    if not isinstance(thing, Mapping):
        raise BadRequest(f"it must be a dict; got {short(thing)}")
    row = {field: value for field, value in thing.items() if field not in {"name", "source", "like"}}
    if "base_url" not in row and "dialect" not in row:
        raise nowhere()
    row |= like_of(row.get("dialect", "openai"))
    row, key = headers_without_keys(tidied(row, None), None)
    if key is not None:
        raise BadRequest("its headers hold a key: name the environment variable that has it, by key_env")
    provider = made(name, row, None, "plugin")
    if "needs_key" in row:
        return provider
    return provider.model_copy(update={"needs_key": needs_key(provider.base_url, bool(provider.key_env))})


def tidied(row: Mapping[str, Any], base: Provider | None) -> Row:
    """A row as it may be typed, with lists where lists are, and `models` as ids taken for a list. Raises BadRequest."""
    row = dict(row)
    for field in ("key_env", "hide", "capabilities", "url_env"):
        if field in row and isinstance(row[field], str):
            row[field] = [row[field]]
    if "ca" in row:
        row["ca"] = checked_file(row["ca"])
    if isinstance(row.get("models"), list | tuple | str):
        like = base or records.packaged().get(row.get("like", ""))
        listing = like.models.model_dump(mode="json") if like is not None else {}
        ids = [row["models"]] if isinstance(row["models"], str) else list(row["models"])
        row["models"] = {**listing, "fixed": ids, "dated": None}
    return row


def needs_key(base_url: str, keyed: bool) -> bool:
    """Whether a provider at this address wants a key, where nobody says so: not on a private network."""
    return keyed or not is_near(urlsplit(base_url).hostname or "")


def environment() -> tuple[str | None, ...]:
    """What `from_environment` looks at, now."""
    names = (n for r in records.packaged().values() for n in (*r.url_env, *r.setting_env.values()))
    return tuple(os.environ.get(name) for name in names)


def from_environment(record: Provider) -> tuple[Provider, str]:
    """A record at the address, and with the settings, that the environment says; and what is wrong with the address."""
    told = {setting: os.environ.get(name, "").strip() for setting, name in record.setting_env.items()}
    if any(told.values()):
        settings = {**record.settings, **{setting: value for setting, value in told.items() if value}}
        record = record.model_copy(update={"settings": settings})
    for name in record.url_env:
        if said := os.environ.get(name, "").strip():
            try:
                url = address_of(said, record)
                check_http(url, record.needs_key, record.allow_http)
            except BadRequest as error:
                return record.model_copy(update={"base_url": ""}), f"{record.name}: {name} is of no use: {error}"
            return record.model_copy(update={"base_url": url}), ""
    return record, ""


def checked_file(path: str | os.PathLike[str] | None) -> str | None:
    """The absolute path of a file that is there. Raises BadRequest."""
    if path is None:
        return None
    found = Path(path).expanduser().absolute()
    if not found.is_file():
        raise BadRequest(f"ca must be a file of certificates (PEM); there is none at {found}", param="ca")
    return str(found)


def _line(error: ValidationError) -> BadRequest:
    """What pydantic finds wrong, in one line, without the value, which may be a secret."""
    first = error.errors(include_input=False, include_url=False)[0]
    field = ".".join(str(part) for part in first["loc"])
    message = first["msg"][:1].lower() + first["msg"][1:]
    return BadRequest(f"{field} is wrong: {message.replace('input ', 'it ')}", param=field)
