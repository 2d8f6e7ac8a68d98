"""The fields of a document, taken one by one; what nobody took is known at the end and kept."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from modelhub.kernels.catalog.documents.documents import Document
from modelhub.kernels.catalog.documents.loose_json import number
from modelhub.kernels.protocol.request import short

TRUE, FALSE = {"true", "yes", "on", "1"}, {"false", "no", "off", "0"}


def plain(name: str) -> str:
    """A field's name as it is compared: `API-KEY`, `api-key` and `api_key` are one."""
    return name.strip().lower().replace("-", "_")


class Fields:
    """One mapping of a document. An empty text and null are unset; numbers and booleans may come as text."""

    def __init__(self, document: Document, notes: list[str], *place: str) -> None:
        """`notes` collects what was left out; `place` is the way to the mapping."""
        self.document, self.notes, self.place = document, notes, place
        self._noted: set[str] = set()
        value: Any = document.data
        for key in place:
            value = value.get(key) if isinstance(value, dict) else None
        self._given: dict[str, Any] = value if isinstance(value, dict) else {}
        if value not in (None, "") and not isinstance(value, dict):
            self.note(f"must hold fields with values; got {short(value)}")
        self._names = {plain(k): k for k in self._given}
        self._left = dict(self._given)

    def __bool__(self) -> bool:
        return bool(self._given)

    def __contains__(self, name: str) -> bool:
        return plain(name) in self._names

    def spelt(self, name: str) -> str:
        """The name as the document spells it."""
        return self._names.get(plain(name), name)

    def where(self, *keys: str) -> str:
        """`FILE, line N` of a field of this mapping."""
        return self.document.where(*self.place, *keys)

    def note(self, what: str, *keys: str) -> None:
        """Note something about a field."""
        named = ".".join((*self.place, *keys))
        self._noted.update(keys[:1])
        self.notes.append(f"{self.where(*keys)}: {f'{named} ' if named else ''}{what}")

    def take(self, *names: str) -> Any:
        """The value of the first of these that is set; all of them count as read."""
        found = None
        for name in names:
            if (key := self._names.get(plain(name))) is not None:
                value = self._left.pop(key, self._given[key])
                if found is None and value is not None and value != "":
                    found = value
        return found

    def put_back(self, name: str) -> None:
        """Count a field as unread after all: it is kept as it stands."""
        key = self.spelt(name)
        if key in self._given:
            self._left[key] = self._given[key]

    def pairs(self) -> Iterator[tuple[str, Any]]:
        """The fields nobody took yet, as they are spelt; each counts as read."""
        for key in list(self._left):
            yield key, self._left.pop(key)

    def text(self, *names: str) -> str | None:
        """A text. Anything else is noted, kept and left out."""
        value = self.take(*names)
        if value is None or isinstance(value, str):
            return value.strip() or None if value else None
        if isinstance(value, int | float) and not isinstance(value, bool):
            return str(value)
        self._wrong(names, "a text", value)
        return None

    def whole(self, *names: str) -> int | None:
        """A whole number."""
        value = self.take(*names)
        found: Any = number(value.strip()) if isinstance(value, str) and value.strip() else value
        if isinstance(found, float) and found == int(found):
            found = int(found)
        if value is None:
            return None
        if isinstance(found, int) and not isinstance(found, bool):
            return found
        self._wrong(names, "a whole number", value)
        return None

    def flag(self, *names: str) -> bool | None:
        """True or False."""
        value = self.take(*names)
        found = truth(value)
        if value is None:
            return None
        if isinstance(found, bool):
            return found
        self._wrong(names, "true or false", value)
        return None

    def texts(self, *names: str) -> list[str]:
        """A list of texts; one text alone is a list of it."""
        value = self.take(*names)
        items = value if isinstance(value, list) else [] if value is None else [value]
        if any(not isinstance(i, str) for i in items):
            self._wrong(names, "a text or a list of them", value)
            return []
        return [i for i in items if i]

    def below(self, name: str) -> Fields:
        """The mapping under a name."""
        value = self.take(name)
        if value is not None and not isinstance(value, dict):
            self._noted.add(self.spelt(name))  # the mapping notes it itself
            self.put_back(name)
        return Fields(self.document, self.notes, *self.place, self.spelt(name))

    def rest(self) -> dict[str, Any]:
        """What nobody took, by dotted names; what is unset in the document is left out."""
        return {".".join((*self.place, k)): v for k, v in self._left.items() if v is not None and v != ""}

    def unnoted(self) -> list[str]:
        """The names in `rest` that no note is about yet."""
        noted = {".".join((*self.place, k)) for k in self._noted}
        return [name for name in self.rest() if name not in noted]

    def _wrong(self, names: tuple[str, ...], expected: str, value: Any) -> None:
        name = next((n for n in names if n in self and self._given[self.spelt(n)] is value), names[0])
        self.note(f"must be {expected}; got {short(value)}. It was left out", self.spelt(name))
        self.put_back(name)


def truth(value: Any) -> Any:
    """True or False for what means it; anything else as it came."""
    if isinstance(value, str):
        word = value.strip().lower()
        return True if word in TRUE else False if word in FALSE else value
    return bool(value) if isinstance(value, int) and value in (0, 1) else value
