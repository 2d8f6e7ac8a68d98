"""A key that cannot be seen by accident, and the keys this process has met."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable
from typing import Any

SHORTEST = 8  # characters of a key that is looked for in texts
SHORTEST_TOLD = 12  # characters of a key whose last four may be shown
_met: dict[bytes, Secret] = {}  # by a digest of their value; they are kept, as a key that was replaced is one still


class Secret:
    """Holds a key; `reveal()` alone gives it. Its repr, str, format, JSON and pickle show four letters at most.

    Two are equal when their keys are; the comparison takes as long for any two keys of one length.
    """

    __slots__ = ("_give",)

    def __init__(self, value: str) -> None:
        """Hold `value`, which `redaction.scrub` takes out of texts from now on."""
        self._give: Callable[[], str] = lambda: value  # in no attribute, which inspectors and debuggers would show
        if _telling(value):
            _met.setdefault(hashlib.sha256(_bytes(value)).digest(), self)

    def reveal(self) -> str:
        """The key itself."""
        return self._give()

    @property
    def masked(self) -> str:
        """As `…9zQn`; `…` alone for a key so short that four letters would give it away."""
        return mask(self._give())

    @property
    def last_four(self) -> str:
        """As `9zQn`, or nothing for a short key."""
        return self.masked[1:]

    def is_in(self, text: str) -> bool:
        """Whether the key stands in `text`; a key that could be a word of it is not looked for."""
        return _telling(self._give()) and self._give() in text

    def out_of(self, text: str) -> str:
        """`text` with the key masked; a key that could be a word of it is left."""
        return text.replace(self._give(), self.masked) if _telling(self._give()) else text

    def __repr__(self) -> str:
        return f"Secret({self.masked})"

    def __str__(self) -> str:
        return self.masked

    def __format__(self, spec: str) -> str:
        return format(self.masked, spec)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and hmac.compare_digest(_bytes(self._give()), _bytes(other._give()))

    def __hash__(self) -> int:
        return hash(type(self))

    def __copy__(self) -> Secret:
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> Secret:
        return self

    def __reduce__(self) -> tuple[Any, ...]:
        return (str, (self.masked,))

    def __getstate__(self) -> object:
        return self.masked

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: Any) -> Any:
        from pydantic_core import core_schema

        shown = core_schema.plain_serializer_function_ser_schema(str, return_schema=core_schema.str_schema())
        return core_schema.is_instance_schema(cls, serialization=shown)


def mask(value: str) -> str:
    """A key as it may be shown: `…9zQn`."""
    return f"…{value[-4:]}" if len(value) >= SHORTEST_TOLD else "…"


def met() -> list[Secret]:
    """The keys this process has held, also those that are held no more; one comes before its own beginning."""
    return sorted(_met.values(), key=lambda secret: -len(secret.reveal()))


def _telling(value: str) -> bool:
    """Whether a key is no word of texts, as the `lm-studio` and `EMPTY` that servers without keys are given."""
    return len(value) >= 16 or (len(value) >= SHORTEST and any(c.isdigit() for c in value))


def _bytes(value: str) -> bytes:
    return value.encode("utf-8", "surrogatepass")
