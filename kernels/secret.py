"""A key that cannot be seen by accident."""

from __future__ import annotations

import hmac
from typing import Any


class Secret:
    """Holds a key; `reveal()` alone gives it. Its repr, str, format and pickle show at most its last four letters."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        """Hold `value`."""
        self._value = value

    def reveal(self) -> str:
        """The key itself."""
        return self._value

    @property
    def masked(self) -> str:
        """As `…9zQn`; `…` alone for a key so short that four letters would give it away."""
        return f"…{self._value[-4:]}" if len(self._value) >= 12 else "…"

    def __repr__(self) -> str:
        return f"Secret({self.masked})"

    def __str__(self) -> str:
        return self.masked

    def __format__(self, spec: str) -> str:
        return format(self.masked, spec)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and hmac.compare_digest(self._value.encode(), other._value.encode())

    def __hash__(self) -> int:
        return hash(type(self))

    def __reduce__(self) -> tuple[Any, ...]:
        return (str, (self.masked,))
