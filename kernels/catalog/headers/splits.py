"""Models that were split into several files, `name-00001-of-00003.gguf` and so on: one model, loaded by its first file.

llama.cpp finds the others by the name of the first (llama.cpp, llama_split_path).
"""

from __future__ import annotations

import re
from dataclasses import dataclass

_NAME = re.compile(r"(?P<stem>.*)-(?P<part>\d{5})-of-(?P<parts>\d{5})(?P<ending>\.gguf)\Z", re.IGNORECASE | re.DOTALL)


@dataclass(frozen=True, slots=True)
class Part:
    """What a file's name says: it is number `part`, from 1, of the `parts` files of the model `stem`."""

    stem: str
    part: int
    parts: int
    ending: str = ".gguf"

    def name(self, part: int) -> str:
        """The name of another file of the same model."""
        return f"{self.stem}-{part:05}-of-{self.parts:05}{self.ending}"

    def missing(self, there: set[str]) -> list[str]:
        """The names of its files that are not among `there`, at most ten."""
        found = []
        for number in range(1, self.parts + 1):
            if self.name(number) not in there:
                found.append(self.name(number))
            if len(found) == 10:
                break
        return found


def part_of(name: str) -> Part | None:
    """What a file's name says of its place among several; None for a model in one file."""
    found = _NAME.match(name)
    if found is None or not 1 <= int(found["part"]) <= int(found["parts"]):
        return None
    return Part(found["stem"], int(found["part"]), int(found["parts"]), found["ending"])


def stem_of(name: str) -> str:
    """A file's name without its ending and without the number of its part."""
    part = part_of(name)
    return part.stem if part else re.sub(r"\.(?:gguf|ggml|bin|proj)\Z", "", name, flags=re.IGNORECASE)
