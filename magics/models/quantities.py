"""Times and sizes as people type and read them."""

from __future__ import annotations

import re
from types import EllipsisType

from modelhub.errors import BadRequest

TIMES = {"s": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0, "d": 86400.0}
SIZES = {"": 1, "b": 1} | {
    f"{letter}{end}": base**power
    for power, letter in enumerate("kmgt", 1)
    for end, base in (("", 1000), ("b", 1000), ("ib", 1024))
}


def seconds_of(text: str) -> float | EllipsisType | None:
    """The seconds in `90s`, `10m`, `2h` or `1d`; None for `off`; ... for what is no time."""
    if text == "off":
        return None
    found = re.fullmatch(r"(\d+(?:\.\d+)?)([a-z]+)", text)
    return float(found[1]) * TIMES[found[2]] if found and found[2] in TIMES else ...


def time_text(seconds: float | None) -> str:
    """Seconds for people: `12 s`, `29 min`, `2.5 h`; nothing for None."""
    if seconds is None:
        return ""
    if seconds < 99.5:
        return f"{seconds:.0f} s" if seconds >= 1 or not seconds else f"{seconds:.1f} s"
    return f"{seconds / 60:.0f} min" if seconds < 99.5 * 60 else f"{seconds / 3600:.3g} h"


def bytes_of(text: str) -> int:
    """The bytes in `6GB`, `500 MB` (powers of 1000) or `4GiB`. Raises BadRequest."""
    found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([a-z]*)", text.strip().lower())
    if not found or found[2] not in SIZES:
        raise BadRequest(f"a size is a number and a unit, as 6GB or 500MB, or auto; got {text!r}")
    return int(float(found[1]) * SIZES[found[2]])
