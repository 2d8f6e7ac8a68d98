"""What a provider does with each field of a request: its dialect's table, its record's, and dated rules for models.

The tables are the honesty table of `protocol.honesty` with what the wire needs: the field's name there, its range.
"""

from __future__ import annotations

import fnmatch
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from modelhub.kernels.protocol.honesty import Rule
from modelhub.kernels.providers.provider import Provider


@dataclass(frozen=True, slots=True)
class FieldRule(Rule):
    """A rule of the honesty table, and how the field is sent.

    wire: its name there, with dots where it is nested (`generationConfig.topK`); "": as we call it. low, high: the
    range of numbers it takes, where it is narrower than ours. most: the most items of a list.
    """

    wire: str = ""
    low: float | None = None
    high: float | None = None
    most: int | None = None


@dataclass(frozen=True, slots=True)
class DatedRule:
    """What some models of a provider do, as it was known on a day.

    provider, model: patterns as of a shell (`gpt-5*|o3*`: one of them), without regard to case; model is matched
    against the id, with and without what stands before its last slash. fields: changes to rules, by field or by several
    (`user|store`). settings: what the dialect is told. since: the day it was known, ISO. source: whence.
    """

    provider: str
    model: str = "*"
    fields: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    settings: Mapping[str, Any] = field(default_factory=dict)
    since: str = ""
    source: str = ""
    note: str = ""

    def fits(self, provider: Provider, model: str) -> bool:
        """Whether it holds for this model of this provider."""
        names = {provider.name.lower(), provider.record.lower()}
        ids = {model.lower(), model.lower().rpartition("/")[2]}
        return _any(self.provider, names) and _any(self.model, ids)


@dataclass(frozen=True, slots=True)
class Target:
    """What a request is for: a model of a provider, and what is known of how it takes requests.

    model: its id at the provider. rules: by field, names of `x_modelhub` as `x_modelhub.top_k`. settings: the
    provider's, with those of dated rules over them. most_output: the most tokens the model answers with, if known.
    """

    provider: Provider
    model: str
    rules: Mapping[str, FieldRule]
    settings: Mapping[str, Any] = field(default_factory=dict)
    most_output: int | None = None


def target_of(
    provider: Provider,
    model: str,
    table: Mapping[str, FieldRule],
    dated: tuple[DatedRule, ...],
    most_output: int | None = None,
) -> Target:
    """The target for a model. table: its dialect's; dated: every dated rule, in order: later ones win.

    A provider of the user's own has the last word. Its setting `base_model` says what a model really is where its id
    does not, as with Azure's deployments: a name, or names by id.
    """
    rules = dict(table)
    settings: dict[str, Any] = {}
    base = provider.settings.get("base_model", model)
    if isinstance(base, Mapping):
        base = base.get(model, model)
    own: tuple[Mapping[str, Mapping[str, Any]], Mapping[str, Any]] = (provider.fields, provider.settings)
    layers = [(rule.fields, rule.settings) for rule in dated if rule.fits(provider, str(base))]
    for fields, told in [*layers, own] if provider.source == "yours" else [own, *layers]:
        settings |= told
        for names, changes in fields.items():
            for name in names.split("|"):
                rules[name] = changed(rules.get(name, FieldRule("honoured")), changes)
    return Target(provider, model, rules, settings, most_output)


def changed(rule: FieldRule, changes: Mapping[str, Any]) -> FieldRule:
    """A rule with what a record or a dated rule says of it. One that says the status says all of it."""
    values: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in changes.items()}
    return FieldRule(**values) if "status" in values else replace(rule, **values)


def _any(patterns: str, names: set[str]) -> bool:
    return any(fnmatch.fnmatchcase(name, p.strip().lower()) for p in patterns.split("|") for name in names)
