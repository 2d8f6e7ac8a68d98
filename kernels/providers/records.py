"""The records and dated rules that come with modelhub, read when they are first asked for."""

from __future__ import annotations

import functools
import tomllib
from pathlib import Path
from typing import Any

from modelhub.kernels import settings
from modelhub.kernels.providers.provider import Provider
from modelhub.kernels.providers.rules import DatedRule

HERE = Path(__file__).parent
# Other words for a packaged record or a dialect, where one names what a provider is like.
ALIASES = {
    "generic": "openai", "openai-compatible": "openai", "nim": "nvidia", "messages": "anthropic",
    "google": "gemini", "huggingface": "hf",
}  # fmt: skip


@functools.cache
def packaged() -> dict[str, Provider]:
    """The packaged providers, by name."""
    rows = tomllib.loads((HERE / "records.toml").read_text("utf-8"))
    return {name: Provider(name=name, **row) for name, row in rows.items()}


def dated_rules() -> tuple[DatedRule, ...]:
    """Every dated rule: the packaged ones, then the user's."""
    return (*_packaged_rules(), *_rules(settings.home() / "provider_rules.toml"))


@functools.cache
def _packaged_rules() -> tuple[DatedRule, ...]:
    return _rules(HERE / "dated_rules.toml")


def _rules(path: Path) -> tuple[DatedRule, ...]:
    try:
        rows: list[dict[str, Any]] = tomllib.loads(path.read_text("utf-8")).get("rule", [])
    except FileNotFoundError:
        return ()
    return tuple(DatedRule(**row) for row in rows)
