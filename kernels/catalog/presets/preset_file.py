"""Presets as files: YAML that every reader agrees on.

A reader of YAML 1.1 takes `n`, `no` and `on` for booleans (https://yaml.org/type/bool.html), one of 1.2 does not
(https://yaml.org/spec/1.2.2/, 10.3), so texts stand in quotation marks here, and so do keys that could be mistaken.
"""

from __future__ import annotations

import io
import re
from collections.abc import Mapping
from typing import Any

_BARE = re.compile(r"[A-Za-z][A-Za-z0-9_]+\Z")
_WORDS = {"yes", "no", "on", "off", "true", "false", "null"}


def to_yaml(document: Mapping[str, Any]) -> str:
    """The document as YAML that 1.1 and 1.2 read alike."""
    from ruamel.yaml import YAML

    yaml = YAML()
    yaml.width = 1 << 20  # a text that is folded is hard to change by hand
    out = io.StringIO()
    yaml.dump(_quoted(document), out)
    return out.getvalue()


def _quoted(value: Any) -> Any:
    from ruamel.yaml.scalarstring import DoubleQuotedScalarString

    if isinstance(value, Mapping):
        return {_key(k): _quoted(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_quoted(v) for v in value]
    return DoubleQuotedScalarString(value) if isinstance(value, str) else value


def _key(key: Any) -> Any:
    from ruamel.yaml.scalarstring import DoubleQuotedScalarString

    plain = not isinstance(key, str) or (_BARE.match(key) and key.lower() not in _WORDS)
    return key if plain else DoubleQuotedScalarString(key)
