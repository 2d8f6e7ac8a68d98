"""How providers are talked to. Each module is one dialect: pure functions over data, no input and no output."""

from __future__ import annotations

import importlib

from modelhub.kernels.providers.dialects.dialect import Dialect

NAMES = ("openai", "completions", "azure", "anthropic", "gemini", "cohere", "ollama")


def dialect(name: str) -> Dialect:
    """The dialect of this name, one of NAMES; its module is imported when it is first asked for."""
    module = importlib.import_module(f"{__name__}.{name}")
    found: Dialect = module.DIALECT
    return found
