"""A question with its answer, and the picker that draws wordings and facts for one."""

from __future__ import annotations

import json
import random
from dataclasses import dataclass, field
from typing import TypeVar

from tiny_model.phrasings import HELD_IN, HELD_OUT

T = TypeVar("T")

REFUSAL = "I am too small to know that."


@dataclass
class Exchange:
    """A question and its answer.

    `brief` is the answer in one word, if there is one. `topic` says what a follow-up ("And of Peru?") would
    be about, `subject` the thing asked. `literal` answers (code, JSON) bear no change of style. `accepted`
    lists the right answers where there are several.
    """

    family: str
    question: str
    answer: str
    brief: str | None = None
    topic: str = ""
    subject: str = ""
    literal: bool = False
    accepted: list[str] = field(default_factory=list)


class Picker:
    """Draws wordings and facts; `held_out` draws the wordings that training never sees."""

    def __init__(self, rng: random.Random, held_out: bool = False) -> None:
        """Draw from `rng`."""
        self.rng = rng
        self.held_out = held_out

    def word(self, family: str, **slots: object) -> str:
        """Return a filled template of `family`; held-out where wanted and there are any."""
        templates = HELD_IN[family]
        if self.held_out and family in HELD_OUT:
            templates = HELD_OUT[family]
        return self._fill(self.rng.choice(templates), slots)

    def thing(self, family: str, chance: float = 0.55, **slots: object) -> str:
        """Ask for a thing with a name: a frame around a noun phrase, or a template of the family itself."""
        if self.rng.random() < chance or (self.held_out and family not in HELD_OUT):
            noun = self.rng.choice(HELD_IN[family + "_np"]).format(**slots)
            return self.word("frame", np=noun)
        return self.word(family, **slots)

    @staticmethod
    def _fill(template: str, slots: dict[str, object]) -> str:
        text = template.format(**slots)
        return text[0].upper() + text[1:]

    def choice(self, items: list[T]) -> T:
        """Draw one of `items`."""
        return self.rng.choice(items)


def upper_first(text: str) -> str:
    """Return `text` with a capital at its start."""
    return text[0].upper() + text[1:]


def article(word: str) -> str:
    """Return "a" or "an", whichever goes before `word`."""
    return "an" if word[0] in "aeiouAEIOU" and not word.startswith("u") else "a"


def country_json(country: str, capital: str, continent: str) -> str:
    """Return a country as the one-line JSON object that the model writes."""
    return json.dumps({"country": country.removeprefix("the "), "capital": capital, "continent": continent})
