"""Tools, and questions that need them: each maker draws a tool, a question, the call, and the result."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tiny_model import facts
from tiny_model.facts import cut
from tiny_model.phrasings import HELD_IN, HELD_OUT

_SKIES = cut("sunny cloudy rainy windy snowy foggy clear stormy warm cold")


@dataclass
class Task:
    """A tool, a question that needs it, the call, its result, and the answer made of the result.

    `parameters` maps the tool's parameters to their JSON types.
    """

    name: str
    about: str
    parameters: dict[str, str]
    question: str
    arguments: dict[str, Any]
    result: Any
    answer: str
    maker: Maker | None = None


Maker = Callable[[random.Random, bool], Task]


def city(rng: random.Random) -> str:
    """Draw a city: a capital, or another real one."""
    return rng.choice(facts.COUNTRIES)[1] if rng.random() < 0.6 else rng.choice(facts.CITIES)


def _ask(rng: random.Random, family: str, held_out: bool = False, **slots: object) -> str:
    return rng.choice((HELD_OUT if held_out else HELD_IN)["tool " + family]).format(**slots)


def weather(rng: random.Random, held_out: bool = False) -> Task:
    """Draw a task for a tool that looks up the weather."""
    where, sky, degrees = city(rng), rng.choice(_SKIES), rng.randint(-10, 40)
    result = {"temperature": degrees, "sky": sky}
    about = HELD_IN["about weather"][0]
    question = _ask(rng, "weather", held_out, v=where)
    answer = f"It is {degrees} degrees and {sky} in {where}."
    return Task("get_weather", about, {"city": "string"}, question, {"city": where}, result, answer)


def time(rng: random.Random, held_out: bool = False) -> Task:
    """Draw a task for a tool that says what time it is in a city."""
    where, clock = city(rng), f"{rng.randint(0, 23):02d}:{rng.randint(0, 59):02d}"
    about = HELD_IN["about time"][0]
    question = _ask(rng, "time", held_out, v=where)
    answer = f"It is {clock} in {where}."
    return Task("get_time", about, {"city": "string"}, question, {"city": where}, {"time": clock}, answer)


def calculator(rng: random.Random, held_out: bool = False) -> Task:
    """Draw a task for a tool that evaluates an expression."""
    a, b = rng.randint(11, 99), rng.randint(11, 99)
    sign, spoken = rng.choice([("+", "plus"), ("*", "times"), ("-", "minus")])
    value = {"+": a + b, "*": a * b, "-": a - b}[sign]
    about = HELD_IN["about calculator"][0]
    question = _ask(rng, "calculator", held_out, a=a, b=b, s=sign, w=spoken)
    expression = f"{a} {sign} {b}"
    answer = f"{expression} = {value}."
    return Task(
        "calculator", about, {"expression": "string"}, question, {"expression": expression}, {"result": value}, answer
    )


#: The makers and how often each is drawn.
MAKERS: dict[Maker, int] = {weather: 4, time: 3, calculator: 3}
