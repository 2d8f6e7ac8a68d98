"""`%models provider`: who serves models: showing, adding, changing, trying and leaving them."""

from __future__ import annotations

import concurrent.futures
import json
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from modelhub.errors import BadRequest, HubError, ProviderError, did_you_mean
from modelhub.magics.models.verb import Line, Verb, plain_text
from modelhub.magics.options import Option, number, parse_words
from modelhub.magics.table import Table, without_empty

if TYPE_CHECKING:
    from modelhub.kernels.providers.provider import Provider
    from modelhub.kernels.providers.providers import Providers

PATIENCE = 3.0  # seconds the list of a new provider is waited for; it goes on coming
SHOWN = 3  # models named as examples


def dialects() -> list[str]:
    """What --dialect may be: the dialects, and the packaged providers one may be like."""
    from modelhub.kernels.providers import records
    from modelhub.kernels.providers.dialects import NAMES

    return list(dict.fromkeys([*NAMES, *records.packaged(), *records.ALIASES]))


def provider_names() -> list[str]:
    """Every provider, for Tab."""
    from modelhub.kernels.hub import hub

    return list(hub().providers.all())


FLAGS = (
    Option(("--base-url",), "where it is, as https://example.com/v1 or localhost:8000", "URL"),
    Option(("--dialect",), "how it is talked to, or the provider it is like", "NAME", words=dialects),
    Option(("--no-key",), "it wants no key"),
    Option(("--needs-key",), "it wants a key, though it is near"),
    Option(("--key-env",), "an environment variable that holds its key", "VARIABLE", repeat=True),
    Option(("--header",), "sent with each request; never a key", "NAME=VALUE", repeat=True, pair=True),
    Option(("--setting",), "what its dialect is told, as api_version=2024-10-21", "NAME=VALUE", repeat=True, pair=True),
    Option(("--hide",), "models shown by --all only, as '*-nightly*'", "PATTERN", repeat=True),
    Option(("--model",), "a model that it does not list, as a deployment", "ID", repeat=True),
    Option(("--title",), "its name for people", "TEXT"),
    Option(("--ca",), "a file of certificates that are trusted, too", "FILE"),
    Option(("--connect",), "the longest wait for a connection (10)", "SECONDS", number),
    Option(("--first",), "the longest wait for an answer to begin (600)", "SECONDS", number),
    Option(("--idle",), "the longest silence within an answer (120)", "SECONDS", number),
    Option(("--allow-http",), "plain http to another machine may be spoken"),
)


def provider(rest: str) -> Any:
    """Show providers; add, change, try or leave one."""
    if any(word == "--key" or word.startswith("--key=") for word in rest.split()):
        raise BadRequest(
            "a key has no place in a cell, where it would be saved: add the provider without it, then "
            "%models keys set NAME asks for it unseen"
        )
    values, words = parse_words(rest, FLAGS, "%models provider")
    action, names = (words[0], words[1:]) if words else ("list", [])
    if action not in ACTIONS:
        from modelhub.kernels.hub import hub

        if len(words) == 1 and not values and action in hub().providers.all():
            return show(action)
        raise BadRequest(
            f"%models provider has no {action!r}.{did_you_mean(action, ACTIONS)} There are {', '.join(ACTIONS)}"
        )
    if values and action not in {"add", "edit"}:
        raise BadRequest(f"--{min(values)} belongs to %models provider add and edit".replace("_", "-"))
    if action == "list":
        return listing(names)
    if len(names) != 1:
        raise BadRequest(f"%models provider {action} takes the name of one provider: %models provider {action} corp")
    if action in {"add", "edit"}:
        return (add if action == "add" else edit)(names[0], _said(values))
    does: dict[str, Callable[[str], Any]] = {
        "show": show, "test": test, "remove": remove, "enable": enable, "disable": disable,
    }  # fmt: skip
    return does[action](names[0])


def listing(words: list[str]) -> Table:
    """A row for every provider, the user's first, then those in use."""
    providers = _providers()
    rows: list[dict[str, Any]] = []
    used, pages = set(), {}
    for one in providers.all().values():
        if not all(w.lower() in f"{one.name} {one.title}".lower() for w in words):
            continue
        state = providers.availability(one.name)
        kept = providers.lists.kept(one)
        count = len(kept.rows) if kept.rows or kept.listed is not None else None
        if count is not None or (state.state == "ready" and one.needs_key):
            used.add(one.name)
        if state.state == "needs key" and "keys" in one.links:
            pages[one.name] = f"keys: {one.links['keys']}"
        rows.append(
            {
                "name": one.name, "title": one.shown, "address": one.base_url, "dialect": one.dialect,
                "from": one.source, "models": count, "state": state.state, "why": state.why, "command": state.command,
            }
        )  # fmt: skip
    rows.sort(key=lambda r: (r["from"] == "packaged", r["name"] not in used))
    shown: list[dict[str, str]] = [
        {
            "name": r["name"],
            "state": r["state"],
            "what to type": r["command"] if r["state"] != "ready" or r["models"] is None else "",
            "what to know": pages.get(r["name"]) or _short(r["why"]),
            "models": "" if r["models"] is None else f"{r['models']:,}",
            "speaks": r["dialect"],
            "address": r["address"] or "none yet",  # last: the widest, and a narrow screen shows what is to be done
        }
        for r in rows
    ]
    notes = ["%models provider add NAME --base-url URL adds one"]
    return Table(
        rows, without_empty(shown), "\n".join([*([] if rows else ["no provider fits"]), *notes, *providers.problems])
    )


def show(name: str) -> Table:
    """All that is known about one provider; never its key."""
    providers = _providers()
    one = providers.get(name)
    state = providers.availability(name)
    kept = providers.lists.kept(one)
    found = providers.keys.find(one)
    key = f"from {found.source}, ends with {found.secret.last_four}" if found.secret is not None else found.why
    facts: dict[str, Any] = {
        "name": one.name, "title": one.title, "address": one.base_url, "dialect": one.dialect, "like": one.like,
        "from": one.source, "state": str(state), "what to type": state.command,
        "key": key or ("none, and it needs one" if one.needs_key else "none, and it needs none"),
        "key goes in": f"{one.key_header}: {one.key_scheme}".strip(), "key variables": list(one.key_env),
        "address variables": list(one.url_env), "headers": one.headers, "settings": one.settings,
        "wait for a connection": f"{one.connect:g} s", "wait for an answer": f"{one.first:g} s",
        "silence in an answer": f"{one.idle:g} s", "certificates": one.ca,
        "plain http": "allowed" if one.allow_http else "", "can": list(one.capabilities),
        "models": len(kept.rows) or None, "listed": _when(kept.listed), "list's problem": kept.problem,
        "notes": list(kept.notes), "fields": sorted(one.fields), **{f"page of {k}": v for k, v in one.links.items()},
    }  # fmt: skip
    known = {k: v for k, v in facts.items() if v not in (None, "", [], {})}
    return Table(
        [{"what": k, "value": v} for k, v in known.items()],
        [{"what": k, "value": plain_text(v)} for k, v in known.items()],
    )


def add(name: str, said: dict[str, Any]) -> str:
    """Add a provider, ask for its models, and tell what to type next."""
    providers = _providers()
    before = name in providers.all()
    one = providers.add(name, **said)
    return Line(f"{_placed(one)}{' now' if before else ''}; {_first_look(providers, one)}")


def edit(name: str, said: dict[str, Any]) -> str:
    """Change a provider, ask for its models, and tell what to type next."""
    if not said:
        raise BadRequest(f"say what is to be changed: %models provider edit {name} --base-url URL; %models? has more")
    providers = _providers()
    one = providers.edit(name, **said)
    return Line(f"{_placed(one)} now; {_first_look(providers, one)}")


def test(name: str) -> str:
    """Ask a provider whether it answers. Raises what is wrong, with the command that mends it."""
    found = _providers().test(name)
    if found.error is None:
        return Line(f"{name} answers: {found.why}")
    if not found.command or found.command in found.why:
        raise found.error
    message = f"{found.why}{'' if found.why.endswith('?') else '.'} What to type: {found.command}"
    if isinstance(found.error, ProviderError):
        error = found.error
        raise ProviderError(message, kind=error.kind, status=error.status, provider=name, raw=error.raw) from None
    raise BadRequest(message) from None


def remove(name: str) -> str:
    """Forget a provider that was added, or what was changed of a packaged one."""
    providers = _providers()
    kept = providers.keys.store.origin(name) is not None
    gone = providers.remove(name)
    more = f"; its key is kept: %models keys remove {name} forgets it" if gone and kept else ""
    return Line(f"{name} is removed{more}" if gone else f"{_placed(providers.get(name))} again, as it came")


def enable(name: str) -> str:
    """Show a provider's models among others."""
    one = _providers().enable(name)
    return Line(f"{one.name} is enabled: %models refresh {one.name} lists its models")


def disable(name: str) -> str:
    """Leave a provider's models out."""
    one = _providers().disable(name)
    return Line(f"{one.name} is disabled, and its models are not shown: %models provider enable {one.name} undoes it")


def _providers() -> Providers:
    from modelhub.kernels.hub import hub

    return hub().providers


def _said(values: dict[str, Any]) -> dict[str, Any]:
    """The fields of a provider that the flags say."""
    said: dict[str, Any] = {
        k: values[k] for k in ("base_url", "dialect", "key_env", "hide", "title", "ca") if k in values
    }
    said |= {k: values[k] for k in ("connect", "first", "idle") if k in values}
    if "no_key" in values and "needs_key" in values:
        raise BadRequest("--no-key and --needs-key say the opposite: leave one out")
    said |= {"needs_key": False} if "no_key" in values else {"needs_key": True} if "needs_key" in values else {}
    said |= {"allow_http": True} if "allow_http" in values else {}
    said |= {"models": values["model"]} if "model" in values else {}
    said |= {"headers": dict(_pairs(values["header"], "--header"))} if "header" in values else {}
    if "setting" in values:
        said["settings"] = {name: _value(text) for name, text in _pairs(values["setting"], "--setting")}
    return said


def _pairs(texts: list[str], flag: str) -> list[tuple[str, str]]:
    pairs = [text.partition("=") for text in texts]
    for name, equals, _ in pairs:
        if not name or not equals:
            raise BadRequest(f"{flag} needs NAME=VALUE; got {name!r}")
    return [(name.strip(), value) for name, _, value in pairs]


def _value(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text


def _placed(one: Provider) -> str:
    like = f", as {one.like}" if one.like and one.like != one.dialect else ""
    return f"{one.name} is at {one.base_url or 'no address yet'} (dialect {one.dialect}{like})"


def _first_look(providers: Providers, one: Provider) -> str:
    """What a provider that was just added answers, if it does so soon, and what to type next."""
    state = providers.availability(one.name)
    if state.state == "needs key" or not one.base_url:
        more = f"; if it wants none, %models provider edit {one.name} --no-key" if one.source == "yours" else ""
        return f"{state}: {state.command}{more if one.base_url else ''}"
    coming = providers.begin_refresh(one.name)
    until = time.monotonic() + PATIENCE
    while not coming.done() and time.monotonic() < until:
        concurrent.futures.wait([coming], 0.1)
    if not coming.done():
        return f"its models are being listed: %models list --from {one.name} shows them"
    error = coming.result().error
    if error is not None:
        return _trouble(providers, one, error)
    names = [f"{one.name}/{row.id}" for row in providers.models(one.name, all=False)[:SHOWN]]
    if not names:
        return f"it lists no models for chats; one is asked by its id: %%chat -m {one.name}/ID"
    count = coming.result().count
    many = f"it lists {count:,} models, as {', '.join(names)}" if count > 1 else f"it lists {names[0]}"
    return f"{many}: %%chat -m {names[0]}"


def _trouble(providers: Providers, one: Provider, error: HubError) -> str:
    command = providers.availability(one.name).command
    more = f"; type {command}" if command and command not in str(error) else ""
    return f"and its models cannot be listed: {error}{more}"


def _short(text: str, most: int = 90) -> str:
    return text if len(text) <= most else text[: most - 2] + " …"


def _when(then: float | None) -> str:
    return time.strftime("%Y-%m-%d %H:%M", time.localtime(then)) if then is not None else ""


ACTIONS = ("list", "show", "add", "edit", "test", "remove", "enable", "disable")


def _after(words: list[str]) -> list[str]:
    """What Tab offers: what can be done, then the providers it can be done to."""
    if not words:
        return list(ACTIONS)
    return provider_names() if len(words) == 1 and words[0] not in {"list", "add"} else []


VERBS = (
    Verb(
        "provider",
        provider,
        "[show|add|edit|test|remove|enable|disable NAME]",
        "who serves models; plain: all of them",
        FLAGS,
        words="",
        after=_after,
    ),
)
