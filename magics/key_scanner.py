"""A cell with a key in it is answered with one line: how it is done properly. The key is never repeated.

It looks at every cell that runs, before it runs. A cell without a hint of a key costs a few searches of text, some
microseconds; nothing is imported for it.
"""

from __future__ import annotations

import functools
import re
import sys
from typing import Any

# One of these is in every cell that is looked at closer: beginnings of keys, and names of what holds them.
KEYS = (
    "sk-", "gsk_", "hf_", "nvapi-", "AIza", "xai-", "pplx-", "tgp_v1_", "fw_", "r8_", "ghp_", "github_pat_",
)  # fmt: skip
HOLDERS = ("API_KEY", "APIKEY", "_TOKEN", "_SECRET", "api_key", "keys.set(")
HINTS = (*KEYS, *HOLDERS)


def look(info: Any) -> None:
    """A cell is about to run: say a line where it has a key in it. For IPython's event `pre_run_cell`."""
    if not getattr(info, "silent", False) and (line := warning(info.raw_cell or "")):
        print(line, file=sys.stderr)


def warning(cell: str) -> str:
    """The line to be said of a cell, or ""."""
    if not any(hint in cell for hint in HINTS) and not _has_one_met(cell):
        return ""
    found = _found(cell)
    if found is None:
        return ""
    provider, echoed = found
    shown = "; %env has written it into the output, too" if echoed else ""
    return (
        f"modelhub: this cell has what looks like a key in it, which is saved with the notebook{shown}. Delete it from "
        f"the cell and type %models keys set {provider or 'PROVIDER'}, which asks for it unseen; one that others could "
        "see is to be revoked"
    )


def _has_one_met(cell: str) -> bool:
    """Whether a key of the user's that this kernel has sent or looked up stands in the cell."""
    secret = sys.modules.get("modelhub.kernels.secret")
    return secret is not None and any(one.is_in(cell) for one in secret.met())


def _found(cell: str) -> tuple[str, bool] | None:
    """Whose key a cell seems to have, "" where that is not known, and whether %env shows it; None for no key."""
    from modelhub.kernels.redaction import keys_in, owner_of

    text = "\n".join(line for line in cell.splitlines() if not line.lstrip().startswith("%models keys"))
    held = any(holder in text for holder in HOLDERS) or "%env" in text or "%set_env" in text
    for found in _assigned().finditer(text) if held else ():
        name, value = found["name"] or found["written"] or "", found["shell"] or found["quoted"] or ""
        if _is_value(value, typed=found["magic"] is not None):
            return _provider_of(name, value), found["magic"] is not None
    for found in keys_in(text):
        return owner_of(found), False
    return ("", False) if _has_one_met(text) else None


@functools.cache
def _assigned() -> re.Pattern[str]:
    """A variable for keys, or an argument for one, that gets a text: by %env, by a shell, by Python."""
    return re.compile(
        r"""(?mx)
        (?: ^\s*%(?:set_)?(?P<magic>env)\s+ | ^\s*[!%]{0,2}(?:export|setx)\s+ )
            (?P<name>[A-Z][A-Z0-9_]*(?:API_?KEY|_TOKEN|_SECRET|_KEY)) (?:\s*=\s*|\s+) (?P<shell>\S+)
        |
        (?: (?P<written>\b[A-Z][A-Z0-9_]*(?:API_?KEY|_TOKEN|_SECRET)) ["']? \s* (?:\]\s*=|[=,:]) \s*
          | \bapi_key["']?\s*[=:]\s* | \bkeys\.set\(\s*["'][\w.-]+["']\s*,\s* )
            [rbuf]{0,2}["'](?P<quoted>[^"'\s]{12,400})["']
        """
    )


def _is_value(value: str, typed: bool) -> bool:
    """Whether a text that a variable for keys gets is a key. typed: by %env, which shows it, whatever it is."""
    from modelhub.kernels.redaction import is_drawn, is_placeholder

    value = value.strip("\"'")
    if not value or value[0] in "${<(" or is_placeholder(value):
        return False
    return len(value) >= 8 if typed else len(value) >= 12 and is_drawn(value)


def _provider_of(name: str, value: str) -> str:
    """The provider whose variable, or whose key, it is."""
    from modelhub.kernels.redaction import keys_in, owner_of

    for found in keys_in(value):
        if owner := owner_of(found):
            return owner
    known = {"HF_TOKEN": "hf", "GOOGLE_API_KEY": "gemini", "AZURE_OPENAI_API_KEY": "azure", "CO_API_KEY": "cohere"}
    bare = re.sub(r"_?API_?KEY$|_TOKEN$|_SECRET$|_KEY$", "", name)
    return known.get(name, bare.lower())
