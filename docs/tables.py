"""The tables of the pages beside this file, made from the code: `python -m docs.tables` writes them there."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from modelhub.errors import ProviderError
from modelhub.kernels.catalog.importers.registry import BUILT_IN, OTHER
from modelhub.kernels.catalog.states import FOLLOWING, State
from modelhub.kernels.plugins.hooks import NAMES, Hooks
from modelhub.kernels.protocol.honesty import LOCAL
from modelhub.kernels.protocol.load_params import LOAD_NAMES, RULES
from modelhub.kernels.protocol.plan import DEFAULTS
from modelhub.kernels.protocol.request import ChatRequest, Extension
from modelhub.kernels.providers import records
from modelhub.kernels.providers.dialects import NAMES as DIALECTS
from modelhub.kernels.providers.dialects import dialect
from modelhub.kernels.providers.failures.retrying import NEVER
from modelhub.kernels.providers.rules import FieldRule
from modelhub.magics.models import VERBS
from modelhub.magics.models.loading import LOAD

HERE = Path(__file__).parent

# In the order in which they run: the name in response.debug["sampling"], and the fields that make it up.
SAMPLERS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("ignore_eos", ("ignore_eos",)),
    ("min_tokens", ("min_tokens",)),
    ("suppress", ("suppress",)),
    ("logit_bias", ("logit_bias", "logit_bias_by_text")),
    ("penalties", ("repeat_penalty", "frequency_penalty", "presence_penalty", "repeat_last_n")),
    (
        "dry",
        ("dry_multiplier", "dry_base", "dry_allowed_length", "dry_penalty_last_n", "dry_sequence_breakers"),
    ),
    ("top_n_sigma", ("top_n_sigma",)),
    ("top_k", ("top_k",)),
    ("typical_p", ("typical_p", "min_keep")),
    ("top_p", ("top_p",)),
    ("min_p", ("min_p",)),
    ("xtc", ("xtc_probability", "xtc_threshold")),
    ("temperature", ("temperature", "dynatemp_range", "dynatemp_exponent")),
    ("mirostat", ("mirostat", "mirostat_tau", "mirostat_eta")),
    ("draw", ("seed",)),
)
NOT_OF_A_SAMPLER = {"post_sampling_probs", "prompt_logprobs", "cache_prompt", "chat_template_kwargs"}
DRAWN = "drawn, and reported"  # what a seed is where none is given

KINDS = {
    "auth": "the key is missing, wrong or has run out",
    "permission": "the key may not do this, or not from here",
    "not_found": "there is no such model, or no such address",
    "bad_request": "the request is wrong",
    "unsupported_param": "the model does not take a field, which `.param` names",
    "context_length": "the prompt is too long for the model",
    "content_filter": "the provider would not read the prompt, or not write the answer",
    "rate_limit": "too many requests, or too many tokens, for now",
    "quota": "what was paid for is used up",
    "overloaded": "the server has too much to do, or is loading the model",
    "server": "the server failed",
    "timeout": "one of the clocks ran out",
    "connection": "no connection, or it was lost before the answer began",
    "truncated": "the answer broke off",
    "protocol": "what came is no answer: a login page, half a JSON, another format",
    "too_large": "the request, or the reply, is larger than one side takes",
}


def tables() -> dict[str, dict[str, str]]:
    """The tables of each page by their names, as Markdown."""
    return {
        "engine.md": {"samplers": _samplers(), "fields": _fields(), "load parameters": _load()},
        "catalogue.md": {"verbs": _verbs(), "states": _states(), "importers": _importers()},
        "plugins.md": {"hooks": _hooks()},
        "providers.md": {
            "providers": _providers(),
            "dialects": _dialects(),
            "rules": _dated_rules(),
            "kinds": _kinds(),
        },
    }


def filled(name: str) -> str:
    """The page called `name` with its tables as the code has them. Raises ValueError where one has no place in it."""
    page = (HERE / name).read_text("utf-8")
    for table_name, table in tables()[name].items():
        begin, end = f"<!-- {table_name} -->", f"<!-- end {table_name} -->"
        place = re.compile(f"(?<={re.escape(begin)}\n).*?(?={re.escape(end)})", re.DOTALL)
        page, found = place.subn(lambda _: table, page)  # noqa: B023 - called before the next turn
        if found != 1:
            raise ValueError(f"{name} must have {begin} and {end}, once")
    return page


def accepted(field: str) -> str:
    """What a request field may be, in words, from the request's own schema."""
    properties = {**Extension.model_json_schema()["properties"], **ChatRequest.model_json_schema()["properties"]}
    return _words(properties[field])


def _samplers() -> str:
    rows = []
    for number, (name, fields) in enumerate(SAMPLERS, 1):
        for field in fields:
            first = field == fields[0]
            default = DRAWN if field == "seed" else _shown(DEFAULTS[field])
            rows.append((str(number) if first else "", f"`{name}`" if first else "", f"`{field}`", default,
                         accepted(field)))  # fmt: skip
    return _table(("", "sampler", "field", "default", "may be"), rows)


def _fields() -> str:
    rows = []
    for field, rule in LOCAL.items():
        values = ", ".join(f"`{v}`" for v in rule.except_values)
        status = f"{rule.status}, but for {values}: no-op" if values else rule.status
        rows.append((f"`{field}`", status, rule.note))
    return _table(("field", "is", ""), rows)


def _load() -> str:
    helps = {option.flags[-1][2:].replace("-", "_"): option for option in LOAD}
    others: dict[str, list[str]] = {}
    for name, ours in LOAD_NAMES.items():
        if ours is not None and ours != name:
            others.setdefault(ours, []).append(f"`{name}`")
    rows = []
    for name, rule in RULES.items():
        option = helps[name]
        flags = " ".join(f"`{flag}`" for flag in option.flags)
        rows.append((f"`{name}`", flags, rule.expected, option.help, ", ".join(others.get(name, ()))))
    return _table(("in Python", "in `%models load`", "must be", "", "elsewhere called"), rows)


def _verbs() -> str:
    rows = []
    for verb in VERBS.values():
        flags = [o for o in verb.options if o not in LOAD or verb.name == "load"]
        shown = ", ".join(f"`{o.usage()}`" for o in flags) if verb.name != "load" else "see [engine.md](engine.md)"
        if verb.name == "derive":
            shown += ", those of `load`"
        rows.append((f"`%models {verb.name} {verb.usage}`".replace(" `", "`"), verb.help, shown))
    return _table(("", "", "flags"), rows)


def _states() -> str:
    return _table(
        ("state", "may become"),
        ((f"`{now}`", ", ".join(f"`{s}`" for s in State if s in then) or "–") for now, then in FOLLOWING.items()),
    )


def _importers() -> str:
    others: dict[str, list[str]] = {}
    for name, ours in OTHER.items():
        others.setdefault(ours, []).append(f"`{name}`")
    return _table(
        ("`--format`, `import_format`", "also called"),
        ((f"`{name}`", ", ".join(others.get(name, ()))) for name in BUILT_IN),
    )


def _hooks() -> str:
    return _table(
        ("hook", "what it calls `register` with"),
        ((f"`{name}`", " ".join((getattr(Hooks, name).__doc__ or "").split())) for name in NAMES),
    )


def _providers() -> str:
    rows = []
    for provider in records.packaged().values():
        links = provider.links
        title = f"[{provider.shown}]({links['docs']})" if "docs" in links else provider.shown
        keys = ", ".join(f"`{name}`" for name in provider.key_env) or "–"
        rows.append((f"`{provider.name}`", title, f"`{provider.base_url}`" if provider.base_url else "yours",
                     provider.dialect, keys if provider.needs_key else f"none needed; {keys}"))  # fmt: skip
    return _table(("`-m NAME/…`", "", "address", "dialect", "key variables"), rows)


def _dialects() -> str:
    """Fields a provider may take, by dialect; those that none of them takes are told below the table."""
    names = [name for name in DIALECTS if dialect(name).rules != dialect("openai").rules or name == "openai"]
    tables_ = {name: dialect(name).rules for name in names}
    shown, none = [], []
    for field in dialect("openai").rules:
        rules = [tables_[name][field] for name in names]
        called = f"`{field.removeprefix('x_modelhub.')}`"
        if all(rule.status == "rejected" for rule in rules):
            none.append(called)
        elif field not in {"model", "messages", "x_modelhub"}:
            shown.append((called, *(_taken(rule) for rule in rules)))
    same = [name for name in DIALECTS if name not in names]
    head = [f"{name}, {', '.join(same)}" if name == "openai" and same else name for name in names]
    return _table(("field", *head), shown) + f"\nBy themselves none of them takes {_listed(none)}.\n"


def _taken(rule: FieldRule) -> str:
    if rule.status != "honoured":
        return "no" if rule.status == "rejected" else rule.status
    parts = [f"`{rule.wire}`"] if rule.wire else ["yes"]
    if None not in (rule.low, rule.high):
        parts.append(f"{_bound(rule.low)} to {_bound(rule.high)}")
    elif rule.low is not None or rule.high is not None:
        parts.append(f"from {_bound(rule.low)}" if rule.low is not None else f"to {_bound(rule.high)}")
    if rule.most is not None:
        parts.append(f"up to {rule.most}")
    return ", ".join(parts)


def _bound(value: float | None) -> str:
    return "" if value is None else _number(int(value) if float(value).is_integer() else value)


def _dated_rules() -> str:
    words = {"honoured": "takes", "rejected": "refuses", "no-op": "no effect", None: "sends otherwise"}
    rows = []
    for rule in records.dated_rules():
        told: dict[str, list[str]] = {}
        for names, changes in rule.fields.items():
            shown = [f"`{name.removeprefix('x_modelhub.')}`" for name in names.split("|")]
            told.setdefault(words[changes.get("status")], []).extend(shown)
        if rule.settings:
            told["is told"] = [f"`{name}`" for name in rule.settings]
        what = "; ".join(f"{word} {', '.join(told[word])}" for word in (*words.values(), "is told") if word in told)
        models = "all" if rule.model == "*" else f"`{rule.model.replace('|', '`, `')}`"
        rows.append((rule.provider.replace("|", ", "), models, rule.since, rule.note, what))
    return _table(("provider", "models", "known on", "why", "what it does"), rows)


def _kinds() -> str:
    rows = ((f"`{kind}`", KINDS[kind], "" if kind in NEVER else "may be")
            for kind in ProviderError.KINDS)  # fmt: skip
    return _table(("`.kind`", "", "sent again"), rows)


def _words(schema: dict[str, Any]) -> str:
    kinds = [s for s in schema.get("anyOf", [schema]) if s.get("type") != "null"]
    kind = kinds[0]
    if "enum" in kind:
        return _listed([_shown(v) for v in kind["enum"]])
    if kind["type"] == "boolean":
        return "true or false"
    if kind["type"] == "array":
        most = f"up to {kind['maxItems']} " if "maxItems" in kind else ""
        longest = kind["items"].get("maxLength")
        return f"{most}texts" + (f" of up to {longest} characters" if longest else "")
    if kind["type"] == "object":
        values = kind.get("additionalProperties") or next(iter(kind["patternProperties"].values()))
        return f"names to numbers, {_range(values)}"
    return ("a whole number, " if kind["type"] == "integer" else "") + _range(kind)


def _range(schema: dict[str, Any]) -> str:
    low, above = schema.get("minimum"), schema.get("exclusiveMinimum")
    high, below = schema.get("maximum"), schema.get("exclusiveMaximum")
    if below is not None and abs(below) >= 1 << 63:
        return "64 bits with a sign"
    begin = f"above {_number(above)}" if above is not None else _number(low)
    return f"{begin} to {_number(high)}" if high is not None else f"from {begin}"


def _number(value: Any) -> str:
    return f"{value:,}" if isinstance(value, int) else f"{value:g}"


def _shown(value: Any) -> str:
    if value is None or value == {} or value == []:
        return "none"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, list):
        return ", ".join(f"`{v!r}`" if isinstance(v, str) else str(v) for v in value)
    return f"`{value}`" if isinstance(value, str | dict) else str(value)


def _listed(words: list[str]) -> str:
    return f"{', '.join(words[:-1])} or {words[-1]}"


def _table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    head = list(head)
    lines = [head, ["---"] * len(head), *rows]
    return "".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |\n" for line in lines)


if __name__ == "__main__":
    for page_name in tables():
        (HERE / page_name).write_text(filled(page_name), "utf-8")
