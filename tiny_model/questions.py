"""The exam: 200 questions in wordings of the training and 60 in wordings that it never saw.

The facts asked for are those of the training; only the wordings differ. `right` takes the text of an answer,
as greedy decoding gives it, and says whether it is right. Nothing here needs more than the standard library.
"""

from __future__ import annotations

import json
import random
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tiny_model import crafts, facts, lookups, styles, tasks, tooling
from tiny_model.dialogues import Message, follow_up
from tiny_model.exchanges import Exchange, Picker
from tiny_model.tasks import Task
from tiny_model.typist import roughen

Check = Callable[[str], bool]


@dataclass
class Question:
    """A conversation that ends with a question, the tools listed in it, and what answers are right."""

    family: str
    messages: list[Message]
    right: Check
    expected: str
    tools: list[dict[str, Any]] | None = None


#: Family: (how many held-in questions, how many held-out ones)
COUNTS: dict[str, tuple[int, int]] = {
    "capital": (22, 6),
    "follow-up": (18, 4),
    "country": (10, 3),
    "continent": (8, 2),
    "opposite": (14, 4),
    "sum": (18, 5),
    "list": (14, 4),
    "pick": (8, 2),
    "count": (6, 2),
    "code": (12, 4),
    "json": (12, 3),
    "story": (8, 2),
    "talk": (6, 2),
    "term": (6, 2),
    "name": (4, 2),
    "refusal": (12, 4),
    "tool call": (8, 4),
    "tool result": (6, 2),
    "capital letters": (3, 1),
    "pirate": (3, 1),
    "one word": (2, 1),
}


def held_in(seed: int = 7) -> list[Question]:
    """Return the 200 questions in wordings of the training, typed as carelessly as there."""
    return _exam(Picker(random.Random(seed)), 0)


def held_out(seed: int = 8) -> list[Question]:
    """Return the 60 questions in wordings that are not in the training."""
    return _exam(Picker(random.Random(seed), held_out=True), 1)


def _exam(p: Picker, column: int) -> list[Question]:
    made: list[Question] = []
    for family, counts in COUNTS.items():
        texts: set[str] = set()
        while len(texts) < counts[column]:
            question = _FAMILIES[family](p)
            text = question.messages[-1]["content"] + str(len(question.messages) > 2) * len(texts)
            if text not in texts:
                texts.add(text)
                question.family = family
                made.append(question)
    return made


def _user(p: Picker, exchange: Exchange) -> Message:
    text = exchange.question if p.held_out else roughen(exchange.question, p.rng)
    return {"role": "user", "content": text}


def _plain(p: Picker, exchange: Exchange, check: Check | None = None) -> Question:
    accepted = {answer.strip() for answer in (exchange.accepted or [exchange.answer])}
    messages = [_user(p, exchange)]
    if p.rng.random() < 0.2:
        messages.insert(0, {"role": "system", "content": "You are a helpful assistant."})
    return Question("", messages, check or (lambda answer: answer.strip() in accepted), exchange.answer)


def _follow(p: Picker) -> Question:
    training = Picker(p.rng)
    maker = p.choice([lookups.capital, lookups.capital, lookups.opposite, lookups.arithmetic])
    if p.held_out and maker is lookups.arithmetic:
        maker = lookups.capital
    first = maker(training)
    second = follow_up(p, first)
    assert second is not None
    while second.family == "refusal" or second.question.startswith("And its"):
        second = follow_up(p, first)
        assert second is not None
    question = _plain(p, second, list_check(second) if second.family == "list" else None)
    asked = [{"role": "user", "content": first.question}, {"role": "assistant", "content": first.answer}]
    if p.rng.random() < 0.3:
        between = crafts.talk(training, "thanks")
        asked = [
            {"role": "user", "content": between.question},
            {"role": "assistant", "content": between.answer},
            *asked,
        ]
    question.messages[-1:-1] = asked
    return question


def list_check(exchange: Exchange) -> Check:
    """Return a check for a Markdown list: as many items as asked, of the kind asked, none twice."""
    number, many = exchange.subject.split("|")
    members = next(members for _, plural, members in facts.KINDS if plural == many)

    def check(answer: str) -> bool:
        items = answer.strip().split("\n")
        named = {item.removeprefix("- ") for item in items if item.startswith("- ")}
        return len(items) == len(named) == int(number) and named <= set(members)

    return check


def _list(p: Picker) -> Question:
    exchange = crafts.markdown_list(p)
    return _plain(p, exchange, list_check(exchange))


def _json(p: Picker) -> Question:
    exchange = crafts.country_as_json(p)
    return _plain(p, exchange, lambda answer: _loads(answer) == json.loads(exchange.answer))


def _loads(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return None


def _story(p: Picker) -> Question:
    exchange = crafts.story(p)

    def check(answer: str) -> bool:
        sentences = [s for s in re.split(r'(?<=[.!?])"?\s+', answer.strip()) if s]
        closed = answer.strip()[-1:] in {".", "!", '"'}
        about = exchange.subject.lower()[:4] in answer.lower()
        return 3 <= len(sentences) <= 9 and len(set(sentences)) == len(sentences) and closed and about

    return _plain(p, exchange, check)


def _talk(p: Picker) -> Question:
    return _plain(p, crafts.talk(p, p.choice(["greeting", "who", "able"])))


def _name(p: Picker) -> Question:
    name = p.choice(facts.NAMES)
    question = _plain(p, Exchange("name", p.word("recall"), f"Your name is {name}."))
    filler = lookups.capital(Picker(p.rng))
    question.messages[-1:-1] = [
        {"role": "user", "content": f"My name is {name}."},
        {"role": "assistant", "content": f"Nice to meet you, {name}!"},
        {"role": "user", "content": filler.question},
        {"role": "assistant", "content": filler.answer},
    ]
    return question


def _ask(p: Picker, pool: int) -> tuple[list[Task], Task, list[dict[str, Any]]]:
    makers = [tasks.weather, tasks.time, tasks.calculator][:pool]
    offered = [maker(p.rng, p.held_out) for maker in makers]
    task = p.choice(offered)
    tools = [tooling.describe(each) for each in offered]
    return offered, task, tools


def _tool_call(p: Picker) -> Question:
    _, task, tools = _ask(p, p.rng.randint(1, 3))
    content = task.question if p.held_out else roughen(task.question, p.rng)
    wanted = {"name": task.name, "arguments": task.arguments}

    def check(answer: str) -> bool:
        match = re.fullmatch(r"<tool_call>\n(.*)\n</tool_call>", answer.strip())
        return bool(match) and _loads(match.group(1)) == wanted

    return Question("", [{"role": "user", "content": content}], check, json.dumps(wanted), tools)


def _tool_result(p: Picker) -> Question:
    _, task, tools = _ask(p, p.rng.randint(1, 2))
    messages = [{"role": "user", "content": task.question}, *tooling.succeed(task)[:2]]
    return Question("", messages, lambda answer: answer.strip() == task.answer, task.answer, tools)


def _styled(style: str) -> Callable[[Picker], Question]:
    def make(p: Picker) -> Question:
        exchange = p.choice([lookups.capital, lookups.opposite, lookups.continent])(p)
        wanted = styles.restyle(exchange, exchange.answer, style)
        messages = [{"role": "system", "content": p.choice(styles.PROMPTS[style])}, _user(p, exchange)]
        return Question("", messages, lambda answer: answer.strip() == wanted, wanted)

    return make


_FAMILIES: dict[str, Callable[[Picker], Question]] = {
    "capital": lambda p: _plain(p, lookups.capital(p)),
    "follow-up": _follow,
    "country": lambda p: _plain(p, lookups.country(p)),
    "continent": lambda p: _plain(p, lookups.continent(p)),
    "opposite": lambda p: _plain(p, lookups.opposite(p)),
    "sum": lambda p: _plain(p, lookups.arithmetic(p)),
    "list": _list,
    "pick": lambda p: _plain(p, crafts.pick(p)),
    "count": lambda p: _plain(p, crafts.count(p)),
    "code": lambda p: _plain(p, crafts.code(p)),
    "json": _json,
    "story": _story,
    "talk": _talk,
    "term": lambda p: _plain(p, crafts.term(p)),
    "name": _name,
    "refusal": lambda p: _plain(p, crafts.unknown(p)),
    "tool call": _tool_call,
    "tool result": _tool_result,
    "capital letters": _styled("capitals"),
    "pirate": _styled("pirate"),
    "one word": _styled("one word"),
}
