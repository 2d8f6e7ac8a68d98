"""`{{name}}` in a prompt: the value of a variable of the notebook, put in verbatim, once.

Only a whole name between double braces is filled in, and `{{In[3]}}`, `{{Out[3]}}`, `{{Err[3]}}`: no attributes, no
calls, no second look at what was put in. Code, JSON, LaTeX and f-strings pass as they stand, as far as they hold no
such name; a backslash in front (`\\{{name}}`) or `--no-interp` sends even that as it stands.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from modelhub.errors import BadRequest, did_you_mean

_PLACE = re.compile(r"(\\?)\{\{[ \t]*(?:(In|Out|Err)\[(\d+)\]|([^\W\d]\w*))[ \t]*\}\}")
_ALMOST = re.compile(r"(?<!\\)\{\{[ \t]*[^\W\d]\w*(?:\.[^\W\d]|[(\[])[^{}]*\}\}")


def interpolate(text: str, names: Mapping[str, Any], errors: Mapping[int, str]) -> tuple[str, list[str]]:
    """`text` with its places filled in, and warnings for what looks like a place and is none.

    names: the notebook's variables, with IPython's `In` and `Out`. errors: tracebacks by execution number.
    Raises BadRequest for a name that is not there.
    """

    def fill(found: re.Match[str]) -> str:
        escaped, store, number, name = found.groups()
        if escaped:
            return found.group()[1:]
        if store:
            return _stored(store, int(number), names, errors)
        if name not in names:
            visible = [n for n in names if not n.startswith("_")]
            raise BadRequest(
                f"{{{{{name}}}}}: there is no variable {name!r}.{did_you_mean(name, visible)} "
                f"Write \\{{{{{name}}}}} or use --no-interp to send it as it stands"
            )
        return _text(names[name])

    warnings = [
        f"{found.group()} was sent as it stands: only a name is filled in; assign it to a variable first"
        for found in _ALMOST.finditer(text)
        if not _PLACE.fullmatch(found.group())
    ]
    return _PLACE.sub(fill, text), warnings


def _stored(store: str, number: int, names: Mapping[str, Any], errors: Mapping[int, str]) -> str:
    """What `In[n]`, `Out[n]` or `Err[n]` holds."""
    kept: Any = errors if store == "Err" else names.get(store, {})
    try:
        return _text(kept[number])
    except (KeyError, IndexError):
        what = {"In": "input", "Out": "value", "Err": "error"}[store]
        have = ", ".join(str(n) for n in list(kept)[-8:]) if isinstance(kept, Mapping) else f"1 to {len(kept) - 1}"
        raise BadRequest(f"{{{{{store}[{number}]}}}}: no {what} has that number; there are {have or 'none'}") from None


def _text(value: Any) -> str:
    from modelhub.kernels.response import Response

    return value.partial() if isinstance(value, Response) else str(value)
