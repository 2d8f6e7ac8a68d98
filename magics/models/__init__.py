"""`%models`: show, fetch, load and free models. Each module beside this one holds verbs; here they are one magic."""

from __future__ import annotations

from typing import Any

from modelhub.errors import BadRequest, Stopped, did_you_mean
from modelhub.magics.models import (
    browsing,
    importing,
    keys,
    listing,
    loading,
    naming,
    places,
    plugins,
    presets,
    provider,
    pulling,
    refreshing,
    usage,
)
from modelhub.magics.models.verb import Verb
from modelhub.magics.options import help_text

MODULES = (
    listing,
    loading,
    plugins,
    pulling,
    browsing,
    importing,
    presets,
    naming,
    places,
    keys,
    provider,
    refreshing,
    usage,
)
VERBS: dict[str, Verb] = {verb.name: verb for module in MODULES for verb in module.VERBS}


def _help() -> str:
    lines = []
    width = max(len(f"{v.name} {v.usage}") for v in VERBS.values()) + 2
    for verb in VERBS.values():
        lines.append(f"    %models {f'{verb.name} {verb.usage}'.ljust(width)}{verb.help}")
        own = [o for o in verb.options if verb.name == "load" or o not in loading.LOAD]
        if own:
            lines += ["    " + line for line in help_text(own).splitlines()]
        if len(own) < len(verb.options):
            lines.append("        and the flags of load")
    return "\n".join(lines)


HELP = f"""Show, fetch, load and free models.

{_help()}

MODEL is a name of %models or the path of a .gguf file; {{{{name}}}} puts in the value of a variable. The tables are
values: t = %models, then t[0]["name"].
"""


def run(line: str) -> Any:
    """Do what the line says. Raises HubError, or Stopped where a verb was interrupted, also at a question."""
    name, _, rest = line.strip().partition(" ")
    verb = VERBS.get(name or "list")
    if verb is None:
        raise BadRequest(
            f"%models has no {name!r}.{did_you_mean(name, VERBS)} There are {', '.join(VERBS)}; "
            "type %models? to see more"
        )
    try:
        return verb.run(rest.strip())
    except Stopped:
        raise
    except KeyboardInterrupt:
        raise Stopped(f"%models {verb.name} was stopped") from None
