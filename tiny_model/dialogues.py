"""Whole conversations: exchanges and follow-ups in a row, under a system prompt, with careless typing."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from tiny_model import crafts, facts, lookups, styles, syllabus, tooling, unknowns
from tiny_model.exchanges import REFUSAL, Exchange, Picker
from tiny_model.typist import roughen

Message = dict[str, Any]


@dataclass
class Dialogue:
    """A conversation in OpenAI-style messages, the tools offered in it, and its family."""

    family: str
    messages: list[Message]
    tools: list[dict[str, Any]] | None = None


def follow_up(p: Picker, last: Exchange) -> Exchange | None:
    """Return a question that only makes sense after `last`, or None where there is no such question."""
    if last.topic == "capital":
        row = next(row for row in facts.COUNTRIES if row[0] == last.subject)
        draw = p.rng.random()
        if draw < 0.15:
            return lookups.continent(p, row, "continent_it")
        if draw < 0.22:
            return crafts.country_as_json(p, row, "json_it")
        if draw < 0.32:
            near = unknowns.place(p.rng)
            return Exchange("refusal", p.word("capital_more", c=near), REFUSAL, "Unknown.", "capital?")
        return lookups.capital(p, more=True)
    if last.topic == "capital?":
        return lookups.capital(p, more=True)
    if last.topic == "country":
        return lookups.country_more(p)
    if last.topic == "continent":
        return lookups.continent(p, how="continent_more")
    if last.topic == "opposite":
        return lookups.opposite(p, more=True)
    if last.topic == "sum":
        return lookups.arithmetic(p, more=True)
    if last.topic == "list":
        return crafts.markdown_list(p, more=True)
    if last.topic == "json":
        return crafts.country_as_json(p, how="json_more")
    if last.topic == "code":
        return crafts.code(p, more=True)
    if last.topic == "story":
        return crafts.story(p, more=True)
    return None


class Conversation:
    """A conversation that grows exchange by exchange."""

    def __init__(self, rng: random.Random, style: str) -> None:
        """Start without messages; `style` is a key of `styles.PROMPTS`."""
        self.picker, self.style = Picker(rng), style
        self.messages: list[Message] = []
        self.last: Exchange | None = None
        self.name: str | None = None
        self.family = ""

    def add(self, exchange: Exchange) -> None:
        """Append the question and the answer of `exchange`."""
        answer = styles.restyle(exchange, exchange.answer, self.style)
        question = exchange.question
        if exchange.family != "echo":
            question = roughen(question, self.picker.rng)
        self.messages += [
            {"role": "user", "content": question},
            {"role": "assistant", "content": answer},
        ]
        self.family = self.family or exchange.family
        self.last = exchange

    def grow(self) -> None:
        """Append one more exchange: a follow-up, a word about names, or something new."""
        p, rng = self.picker, self.picker.rng
        if self.last and rng.random() < 0.5:
            more = follow_up(p, self.last)
            if more and styles.suits(more, self.style):
                return self.add(more)
        if self.style != "one word" and rng.random() < (0.25 if self.name else 0.07):
            return self.add(self._about_name())
        if self.messages and self.style != "one word" and rng.random() < 0.06:
            return self.add(crafts.talk(p, rng.choice(["thanks", "praise", "bye"])))
        while True:
            exchange = syllabus.any_exchange(p)
            if styles.suits(exchange, self.style):
                return self.add(exchange)

    def _about_name(self) -> Exchange:
        p = self.picker
        if self.name and p.rng.random() < 0.75:
            return Exchange("name", p.word("recall"), f"Your name is {self.name}.")
        if not self.name and p.rng.random() < 0.25:
            return Exchange("name", p.word("recall"), "You have not told me your name.")
        self.name = p.choice(facts.NAMES)
        return Exchange("name", p.word("my_name", n=self.name), f"Nice to meet you, {self.name}!")


def make(rng: random.Random) -> Dialogue:
    """Make one dialogue of any kind."""
    if rng.random() < 0.14:
        family, messages, tools = tooling.dialogue(rng, roughen)
        return Dialogue(family, messages, tools)
    style = rng.choices(["none", "plain", "capitals", "pirate", "one word"], [60, 13, 10, 10, 5])[0]
    conversation = Conversation(rng, "plain" if style == "none" else style)
    turns = rng.choices([1, 2, 3, 4, 5, 8, 12, 18], [46, 20, 14, 8, 5, 4, 2, 1])[0]
    for _ in range(turns):
        conversation.grow()
    if style != "none":
        conversation.messages.insert(0, {"role": "system", "content": styles.prompt(rng, style)})
    return Dialogue(conversation.family, conversation.messages)


def copying(rng: random.Random) -> Dialogue:
    """Make a dialogue of long texts to be repeated, from which a network learns fast to look back."""
    picker = Picker(rng)
    messages: list[Message] = []
    for _ in range(rng.choice([1, 1, 2])):
        text = unknowns.jumble(rng)
        messages += [
            {"role": "user", "content": picker.word("echo", x=text)},
            {"role": "assistant", "content": text},
        ]
    return Dialogue("copying", messages)


def stream(seed: int, count: int, copies: float = 0.0) -> Iterator[Dialogue]:
    """Yield `count` dialogues, the same ones for the same `seed`; a share of `copies` are for copying only."""
    rng = random.Random(seed)
    for _ in range(count):
        yield copying(rng) if copies and rng.random() < copies else make(rng)
