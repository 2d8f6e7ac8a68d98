"""Tools, and questions that need them: each maker draws a tool, a question, the call, and the result."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tiny_model import facts, unknowns
from tiny_model.facts import cut
from tiny_model.phrasings import HELD_IN, HELD_OUT

_SKIES = cut("sunny cloudy rainy windy snowy foggy clear stormy warm cold")
_TENTHS = [0, 0, 0, 0, 0.5]
_PRICED = cut("lamp chair book phone table bike ticket coat guitar camera clock ball radio bag hat cup")
_ASPECTS = cut(
    "population,height,age,score,status,balance,owner,size,weight,speed,rating,address,email,price,stock,"
    "humidity,distance,level,phone number,birthday,salary,grade,depth,length,temperature,area,colour,capital,"
    "id,title",
    ",",
)


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
    """Draw a city: a capital, another real one, or a made-up one."""
    draw = rng.random()
    if draw < 0.45:
        return rng.choice(facts.COUNTRIES)[1]
    return rng.choice(facts.CITIES) if draw < 0.65 else unknowns.invented(rng)


def _ask(rng: random.Random, family: str, held_out: bool = False, **slots: object) -> str:
    return rng.choice((HELD_OUT if held_out else HELD_IN)["tool " + family]).format(**slots)


def weather(rng: random.Random, held_out: bool = False) -> Task:
    """Draw a task for a tool that looks up the weather."""
    name = rng.choice(
        cut("get_weather get_weather get_weather weather current_weather fetch_weather get_current_weather")
    )
    key = rng.choice(cut("city city city location place town"))
    where, sky, degrees = city(rng), rng.choice(_SKIES), rng.randint(-15, 40) + rng.choice(_TENTHS)
    if rng.random() < 0.6:
        warmth = rng.choice(cut("temperature temperature temp degrees celsius temperature_c temp_c"))
        pairs = [
            (warmth, degrees),
            (rng.choice(cut("sky condition conditions weather description summary")), sky),
        ]
        if rng.random() < 0.5:
            pairs.reverse()
        if rng.random() < 0.4:
            pairs.insert(rng.randint(0, 1), (key, where))
        result: Any = dict(pairs)
        answer = f"It is {degrees} degrees and {sky} in {where}."
    else:
        result = rng.choice(
            [
                sky,
                f"{degrees} degrees",
                f"{sky}, {degrees} degrees",
                f"{degrees} degrees and {sky}",
                f"{sky}, {degrees} C",
                f"{sky.capitalize()}, {degrees} °C",
                f"{degrees}°C, {sky}",
                f"{sky} and {rng.choice(_SKIES)}",
            ]
        )
        answer = f"The weather in {where}: {result}."
    about = rng.choice(HELD_IN["about weather"])
    question = _ask(rng, "weather", held_out, v=where)
    return Task(name, about, {key: "string"}, question, {key: where}, result, answer)


def time(rng: random.Random, held_out: bool = False) -> Task:
    """Draw a task for a tool that says what time it is in a city."""
    name = rng.choice(cut("get_time get_time time current_time clock get_current_time local_time"))
    key = rng.choice(cut("city city city location place timezone"))
    where, clock = city(rng), f"{rng.randint(0, 23):02d}:{rng.randint(0, 59):02d}"
    result = rng.choice([clock, clock, {"time": clock}, {"time": clock}, {key: where, "time": clock}])
    about = rng.choice(HELD_IN["about time"])
    question = _ask(rng, "time", held_out, v=where)
    return Task(name, about, {key: "string"}, question, {key: where}, result, f"It is {clock} in {where}.")


def calculator(rng: random.Random, held_out: bool = False) -> Task:
    """Draw a task for a tool that evaluates an expression."""
    top = rng.choice([20, 100, 100, 1000, 10000])
    a, b = rng.randint(2, top), rng.randint(2, top)
    signs = [("+", "plus"), ("*", "times"), ("-", "minus"), ("*", "times"), ("/", "divided by")]
    sign, spoken = rng.choice(signs)
    value = {"+": a + b, "*": a * b, "-": a - b, "/": a // b}[sign]
    name = rng.choice(cut("calculator calculator calculator calculate compute calc evaluate"))
    key = rng.choice(cut("expression expression expression formula input"))
    result = rng.choice([value, value, str(value), {"result": value}, {"value": value}])
    about = rng.choice(HELD_IN["about calculator"])
    question = _ask(rng, "calculator", held_out, a=a, b=b, s=sign, w=spoken)
    expression = f"{a} {sign} {b}"
    return Task(name, about, {key: "string"}, question, {key: expression}, result, f"{expression} = {value}.")


def two_numbers(rng: random.Random, held_out: bool = False) -> Task:
    """Draw a task for a tool that adds, multiplies or subtracts two numbers."""
    a, b = rng.randint(1, rng.choice([20, 100, 999])), rng.randint(1, rng.choice([20, 100, 999]))
    kind = rng.choice(["add", "multiply", "subtract"])
    value = {"add": a + b, "multiply": a * b, "subtract": a - b}[kind]
    name = rng.choice([kind, kind, kind + "_numbers"])
    one, two = rng.choice([("a", "b"), ("a", "b"), ("x", "y"), ("first", "second")])
    result = rng.choice([value, str(value), {"result": value}])
    about = rng.choice([f"{kind.capitalize()} two numbers.", f"{kind} two numbers"])
    kinds = {one: rng.choice(["number", "integer"]), two: "integer"}
    question = _ask(rng, kind, a=a, b=b)
    return Task(name, about, kinds, question, {one: a, two: b}, result, f"The result is {value}.")


def price(rng: random.Random, held_out: bool = False) -> Task:
    """Draw a task for a tool that looks up a price."""
    item = rng.choice(_PRICED) if rng.random() < 0.7 else unknowns.invented(rng).lower()
    cost = rng.randint(1, 999)
    name, key = (
        rng.choice(cut("get_price price lookup_price find_price")),
        rng.choice(cut("item product name")),
    )
    result = rng.choice([cost, {"price": cost}, str(cost), {key: item, "price": cost}])
    about = rng.choice(["Get the price of an item.", "Look up a price."])
    question = _ask(rng, "price", v=item)
    return Task(name, about, {key: "string"}, question, {key: item}, result, f"The {item} costs {cost}.")


def search(rng: random.Random, held_out: bool = False) -> Task:
    """Draw a task for a tool that searches for a text."""
    query, found = unknowns.phrase(rng).lower(), unknowns.upper(unknowns.phrase(rng).lower())
    name = rng.choice(cut("search web_search search_notes find lookup"))
    key = rng.choice(cut("query query text q"))
    result = rng.choice([found, {"result": found}, found + "."])
    about = rng.choice(["Search the web.", "Search in notes.", "Find a text."])
    question = _ask(rng, "search", v=query)
    return Task(name, about, {key: "string"}, question, {key: query}, result, f"I found this: {found}.")


def aspect(rng: random.Random, held_out: bool = False) -> Task:
    """Draw a task for a tool that looks up something about a thing, such as `get_height(name)`."""
    what = rng.choice(_ASPECTS) if rng.random() < 0.8 else unknowns.invented(rng).lower()
    subjects = [city(rng), unknowns.invented(rng), rng.choice(facts.NAMES), rng.choice(facts.COUNTRIES)[0]]
    subject = rng.choice(subjects)
    snake = what.replace(" ", "_")
    name = rng.choice([f"get_{snake}", f"get_{snake}", snake, f"find_{snake}", f"lookup_{snake}"])
    key = rng.choice(cut("name name city item user subject of key"))
    value: Any = rng.choice(
        [rng.randint(0, 9999), rng.randint(0, 99), unknowns.phrase(rng).lower(), rng.randint(0, 3_000_000)]
    )
    result = rng.choice([value, str(value), {snake: value}, {key: subject, snake: value}])
    about = rng.choice([f"Get the {what}.", f"Return the {what} of something.", f"The {what}."])
    question = _ask(rng, "aspect", a=what, v=subject)
    answer = f"The {what} of {subject} is {value}."
    return Task(name, about, {key: "string"}, question, {key: subject}, result, answer)


def date(rng: random.Random, held_out: bool = False) -> Task:
    """Draw a task for a tool without parameters, which says what day it is."""
    today = f"{rng.randint(2020, 2035)}-{rng.randint(1, 12):02d}-{rng.randint(1, 28):02d}"
    name = rng.choice(["get_date", "today", "current_date"])
    question = _ask(rng, "date")
    result = rng.choice([today, {"date": today}])
    return Task(name, "Get the date of today.", {}, question, {}, result, f"Today is {today}.")


def dice(rng: random.Random, held_out: bool = False) -> Task:
    """Draw a task for a tool that rolls a die."""
    sides, rolled = rng.choice([4, 6, 6, 8, 10, 12, 20, 100]), rng.randint(1, 4)
    key = rng.choice(["sides", "sides", "n", "faces"])
    name = rng.choice(["roll_dice", "roll_die", "dice"])
    about = rng.choice(["Roll a die.", "Roll a die with some sides."])
    question = _ask(rng, "dice", n=sides)
    result = rng.choice([rolled, {"result": rolled}])
    return Task(name, about, {key: "integer"}, question, {key: sides}, result, f"You rolled a {rolled}.")


#: The makers and how often each is drawn.
MAKERS: dict[Maker, int] = {
    weather: 7,
    time: 4,
    calculator: 6,
    two_numbers: 3,
    price: 2,
    search: 2,
    aspect: 4,
    date: 1,
    dice: 1,
}
