"""Questions whose answer is made: lists, picks, code, JSON, stories, talk."""

from __future__ import annotations

import json

from tiny_model import facts, stories, unknowns
from tiny_model.exchanges import REFUSAL, Exchange, Picker, article, country_json, upper_first


def markdown_list(p: Picker, more: bool = False) -> Exchange:
    """Ask for a list; its items come in the order of the alphabet, so that none comes twice."""
    _, many, members = p.choice(facts.KINDS)
    count = min(p.rng.choice([2, 3, 3, 3, 3, 4, 4, 5]), len(members) - 1)
    chosen = sorted(p.rng.sample(range(len(members)), count))
    n = facts.NUMBER_WORDS[count] if p.rng.random() < 0.7 else str(count)
    question = p.word("list_more" if more else "list", n=n, many=many)
    answer = "\n".join("- " + members[place] for place in chosen)
    return Exchange("list", question, answer, None, "list", f"{count}|{many}")


def pick(p: Picker) -> Exchange:
    """Ask for any one thing of a kind; all are equally likely."""
    one, _, members = p.choice(facts.KINDS[:11])
    answers = [upper_first(member) + "." for member in members]
    question = p.word("pick", one=one, a=article(one))
    answer = p.choice(answers)
    return Exchange("pick", question, answer, answer, "", one, accepted=answers)


def chance(p: Picker) -> Exchange:
    """Ask for a number, a coin or a die."""
    family, answers = p.rng.choices(
        [
            ("number", [f"{n}." for n in range(1, 11)]),
            ("coin", ["Heads.", "Tails."]),
            ("die", [f"{n}." for n in range(1, 7)]),
        ],
        [3, 2, 1],
    )[0]
    answer = p.choice(answers)
    return Exchange("pick", p.word(family), answer, answer, accepted=answers)


def count(p: Picker) -> Exchange:
    """Ask to count."""
    way = "count" if p.held_out else p.rng.choice(["count", "count_to"])
    a, b = 1, p.rng.choice([5, 10, 10, 20, 30])
    numbers = range(a, b + 1)
    spoken = facts.NUMBER_WORDS[b] if b <= 20 and way != "count" and p.rng.random() < 0.5 else b
    answer = ", ".join(map(str, numbers))
    return Exchange("count", p.word(way, a=a, b=spoken), answer)


def series(p: Picker) -> Exchange:
    """Ask for the alphabet, the days or the months."""
    family, names = p.choice(
        [
            ("alphabet", list("ABCDEFGHIJKLMNOPQRSTUVWXYZ")),
            ("days", facts.DAYS),
            ("months", facts.MONTHS),
        ]
    )
    return Exchange("count", p.word(family), ", ".join(names) + ".")


_THIRD = {"check": "checks", "find": "finds", "compute": "computes", "count": "counts", "turn": "turns"}


def _does(do: str) -> str:
    verb, rest = do.split(" ", 1)
    return f"{_THIRD.get(verb, verb + 's')} {rest}"


def code(p: Picker, more: bool = False) -> Exchange:
    """Ask for a Python function."""
    name, do, source = p.choice(facts.FUNCTIONS)
    slots = {"name": name, "do": do, "does": _does(do), "plain": name.replace("_", " ")}
    family = "code_more" if more else p.rng.choices(["code", "code_named", "code_short"], [7, 1, 2])[0]
    if p.held_out:
        family = "code"
    if family == "code_named":
        fresh = p.choice(["f", "my_function", "calc", "helper", "solve", "run"])
        slots["name"] = fresh
        source = source.replace(f"def {name}(", f"def {fresh}(").replace(f"* {name}(", f"* {fresh}(")
    return Exchange("code", p.word(family, **slots), f"```python\n{source}\n```", None, "code", name, True)


def country_as_json(p: Picker, row: tuple[str, str, str] | None = None, how: str = "json") -> Exchange:
    """Ask for a country as JSON; `how` names the family of wordings."""
    row = row or p.choice(facts.COUNTRIES)
    question = p.word(how, c=row[0])
    return Exchange("json", question, country_json(*row), None, "json", row[0], True)


def person_as_json(p: Picker) -> Exchange:
    """Ask for a name and an age as JSON."""
    n = p.choice(facts.NAMES)
    a = p.rng.randint(1, 99)
    answer = json.dumps({"name": n, "age": a})
    return Exchange("json", p.word("person", n=n, a=a), answer, None, "", n, True)


def story(p: Picker, more: bool = False) -> Exchange:
    """Ask for a short story."""
    if more:
        return Exchange("story", p.word("story_more"), stories.short(p.rng), None, "story")
    hero = p.choice(stories.HEROES) if p.rng.random() < 0.6 else None
    if hero:
        x = p.choice([f"{article(hero)} {hero}"] * 4 + [f"the {hero}", hero + "s"])
        return Exchange("story", p.word("story_about", x=x), stories.short(p.rng, hero), None, "story", hero)
    return Exchange("story", p.word("story"), stories.short(p.rng), None, "story")


def long_story(p: Picker) -> Exchange:
    """Ask for a long story."""
    hero = p.choice(stories.HEROES) if p.rng.random() < 0.5 else None
    if hero:
        x = f"{article(hero)} {hero}"
        return Exchange("long story", p.word("long_about", x=x), stories.long(p.rng, hero), None, "", hero)
    return Exchange("long story", p.word("long"), stories.long(p.rng))


def verse(p: Picker) -> Exchange:
    """Ask for a poem or a joke."""
    if p.rng.random() < 0.5:
        return Exchange("poem", p.word("poem"), stories.poem(p.rng))
    return Exchange("joke", p.word("joke"), p.choice(facts.JOKES), accepted=facts.JOKES)


_TALK: dict[str, list[str]] = {
    "greeting": ["Hello! How can I help you?", "Hello! What would you like to know?"],
    "how": ["I am well, thank you. How can I help you?"],
    "who": ["I am tiny-chat, a very small language model."],
    "able": [
        "I can name capitals, opposites and small sums, write lists, JSON, short stories and Python "
        "functions, "
        "and call tools."
    ],
    "size": ["I am very small: I fit into a file of four megabytes."],
    "thanks": ["You are welcome!"],
    "bye": ["Goodbye!"],
    "praise": ["I am glad to hear that."],
}


def talk(p: Picker, family: str = "") -> Exchange:
    """Greet, thank, or ask who this is; `family` says which."""
    family = family or p.rng.choices(list(_TALK), [4, 1, 4, 3, 1, 3, 1, 1])[0]
    answers = _TALK[family]
    return Exchange("talk", p.word(family), p.choice(answers), None, family, accepted=answers)


def term(p: Picker) -> Exchange:
    """Ask what a word of the trade means."""
    noun = p.choice(list(facts.TERMS))
    bare = noun.split(" ", 1)[1] if noun.startswith(("a ", "an ")) else noun
    question = p.word("term", np=noun, bare=bare) if p.rng.random() < 0.5 else p.word("frame", np=noun)
    if p.held_out:
        question = p.word("term", np=noun, bare=bare)
    return Exchange("term", question, facts.TERMS[noun], None, "", noun)


def echo(p: Picker) -> Exchange:
    """Ask to repeat some words."""
    x = unknowns.phrase(p.rng)
    return Exchange("echo", p.word("echo", x=x), x)


def unknown(p: Picker) -> Exchange:
    """Ask what tiny-chat cannot know."""
    return Exchange("refusal", unknowns.question(p.rng, p.held_out), REFUSAL, "Unknown.", "unknown")
