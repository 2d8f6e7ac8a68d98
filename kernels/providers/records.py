"""The records and dated rules that come with modelhub, read when they are first asked for."""

from __future__ import annotations

import functools
import tomllib
from pathlib import Path
from typing import Any

from modelhub.kernels.providers.provider import Provider
from modelhub.kernels.providers.rules import DatedRule
from modelhub.kernels.providers.user_rules import user_rules

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
    return (*_packaged_rules(), *user_rules())


@functools.cache
def _packaged_rules() -> tuple[DatedRule, ...]:
    rows: list[dict[str, Any]] = tomllib.loads((HERE / "dated_rules.toml").read_text("utf-8"))["rule"]
    return tuple(DatedRule(**row) for row in rows)
