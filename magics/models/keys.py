"""`%models keys`: where keys come from, and setting, choosing, trying and forgetting them. A key is never shown."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from modelhub.errors import BadRequest, did_you_mean
from modelhub.magics.models.verb import Line, Verb
from modelhub.magics.options import Option, parse_words
from modelhub.magics.table import Table

ACTIONS = ("set", "use", "remove", "test", "list")
SET = (
    Option(("--session",), "keep it for this kernel only"),
    Option(("--keyring",), "keep it in the system's keyring"),
    Option(("--file",), "keep it in keys.json of the home folder, for its owner alone; the default"),
)


def keys(rest: str) -> Any:
    """Show where keys come from; set, choose, try or forget one."""
    if typed := _key_in(rest):
        raise BadRequest(_typed(rest, typed))
    values, words = parse_words(rest, SET, "%models keys")
    action, named = (words[0], words[1:]) if words else ("list", [])
    if action not in ACTIONS:
        raise BadRequest(
            f"%models keys has no {action!r}.{did_you_mean(action, ACTIONS)} There are {', '.join(ACTIONS)}"
        )
    if values and action != "set":
        raise BadRequest(f"--{min(values)} belongs to %models keys set")
    if action == "list":
        return _table(named)
    if not 1 <= len(named) <= (1 if action == "test" else 2):
        more = "" if action == "test" else " and, of several keys, the name of one"
        raise BadRequest(f"%models keys {action} takes a provider{more}: %models keys {action} openai")
    does: dict[str, Callable[..., Any]] = {"set": _set, "use": _use, "remove": _remove, "test": _test}
    return does[action](*named, **values)


def _set(provider: str, name: str | None = None, **where: bool) -> None:
    from modelhub.kernels.hub import hub

    if len(where) > 1:
        raise BadRequest(f"a key is kept in one place; got {' and '.join(f'--{w}' for w in where)}")
    the_keys = hub().providers.keys
    kept = the_keys.keep(provider, name=name, session="session" in where, where=next(iter(where), None))
    found = the_keys.find(provider)
    wanted = name or "default"
    line = f"the key {'' if name is None else f'{name} '}of {provider} is kept in {kept}"
    if found.name != wanted:
        line += f"; {found.name} comes before it: %models keys use {provider} {wanted} takes this one"
    print("\n".join([line, *the_keys.problems]))


def _use(provider: str, name: str | None = None) -> str:
    from modelhub.kernels.hub import hub

    the_keys = hub().providers.keys
    the_keys.use(provider, name)
    found = the_keys.find(provider)
    if found.secret is None:
        return Line(f"{provider} has no key now" + (f": {found.why}" if found.why else ""))
    return Line(f"{provider} is asked with the key {found.name} ({found.secret.masked})")


def _remove(provider: str, name: str | None = None) -> str:
    from modelhub.kernels.hub import hub

    providers = hub().providers
    which = f"key {name}" if name else "key"
    gone = providers.keys.remove(provider, name)
    if not gone:
        providers.get(provider)  # which tells of a name that is none
        found = providers.keys.find(provider)
        rest = f"; {found.name} has one, which is not modelhub's to remove" if found.source == "environment" else ""
        return Line(f"there is no kept {which} of {provider}{rest}")
    line = f"the {which} of {provider} is gone from {' and '.join(gone)}"
    if provider in providers.all() and (found := providers.keys.find(provider)).secret is not None:
        line += f"; {found.name} is in use now"
    return Line(line)


def _test(provider: str) -> str:
    from modelhub.kernels.hub import hub

    providers = hub().providers
    found = providers.keys.find(provider)
    with_it = f"with the key {found.name} ({found.secret.masked})" if found.secret else "without a key"
    said = providers.test(provider)
    then = f"; type {said.command}" if said.command and said.command not in said.why else ""
    return Line(f"{provider} {with_it}: {said.why}{then}")


def _table(named: Sequence[str]) -> Table:
    """A row for every key there is, of one provider or of all."""
    from modelhub.kernels.hub import hub

    providers = hub().providers
    known = providers.all()
    asked = [providers.get(name) for name in named] if named else list(known.values())
    rows = providers.keys.rows(asked)
    rows += [] if named else providers.keys.orphans(known)
    notes = [] if rows else [f"no keys: %models keys set {named[0] if named else 'PROVIDER'} asks for one"]
    notes += dict.fromkeys(row["why"] for row in rows if row["why"])
    columns = ("provider", "name", "from", "ends with", "for", "state")
    plain = [{column: row[column] for column in columns} for row in rows]
    shown = [{**row, "ends with": f"…{row['ends with']}"} for row in plain]
    return Table(plain, shown, "\n".join([*notes, *providers.keys.problems]))


def _key_in(rest: str) -> str:
    """The word of a line that is a key by its looks, or one of the user's."""
    from modelhub.kernels.redaction import is_drawn, keys_in
    from modelhub.kernels.secret import met

    if any(secret.is_in(rest) for secret in met()):
        return rest
    for word in rest.replace("=", " ").replace('"', " ").replace("'", " ").split():
        if next(keys_in(word), None) or (len(word) >= 16 and is_drawn(word)):
            return word
    return ""


def _typed(rest: str, typed: str) -> str:
    from modelhub.kernels.hub import hub

    known = hub().providers.all()
    provider = next((word for word in rest.split() if word in known), None)
    link = known[provider].links.get("keys") if provider else None
    return (
        "a key is not typed in the line, where notebook and history save it: delete it from this cell, "
        f"revoke it{f' at {link}' if link else ''}, and type %models keys set {provider or 'PROVIDER'}, which asks for "
        "the new one unseen"
    )


def _words(before: list[str]) -> list[str]:
    """What can follow: what to do, whose key, and the names of those that are kept."""
    from modelhub.kernels.hub import hub

    providers = hub().providers
    if not before:
        return list(ACTIONS)
    if len(before) == 1:
        return sorted({*providers.all(), *(providers.keys.store.names() if before[0] == "remove" else ())})
    return sorted(providers.keys.store.entries(before[1])) if len(before) == 2 and before[0] != "test" else []


VERBS = (
    Verb("keys", keys, "[set|use|remove|test PROVIDER [NAME]]", "where keys come from; set asks for one unseen", SET,
         after=_words),
)  # fmt: skip
