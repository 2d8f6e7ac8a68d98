"""Questions whose answer is looked up or worked out: capitals, opposites, sums and the like."""

from __future__ import annotations

from tiny_model import facts
from tiny_model.exchanges import Exchange, Picker, upper_first
from tiny_model.phrasings import HELD_IN


def capital(p: Picker, row: tuple[str, str, str] | None = None, more: bool = False) -> Exchange:
    """Ask for the capital of a country."""
    c, k, _ = row or p.choice(facts.COUNTRIES)
    question = p.word("capital_more", c=c) if more else p.thing("capital", c=c)
    return Exchange("capital", question, f"The capital of {c} is {k}.", k + ".", "capital", c)


def country(p: Picker) -> Exchange:
    """Ask which country a capital belongs to."""
    c, k, _ = p.choice(facts.COUNTRIES)
    question = p.thing("country", 0.2, k=k)
    return Exchange("country", question, f"{k} is the capital of {c}.", upper_first(c) + ".", "country", k)


def country_more(p: Picker) -> Exchange:
    """Ask for the country of another capital, after such a question."""
    made = country(p)
    made.question = p.word("capital_more", c=made.subject)
    return made


def continent(p: Picker, row: tuple[str, str, str] | None = None, how: str = "") -> Exchange:
    """Ask for the continent of a country; `how` names the family of wordings."""
    c, _, where = row or p.choice(facts.COUNTRIES)
    question = p.word(how, c=c) if how else p.thing("continent", 0.3, c=c)
    answer = f"{upper_first(c)} is in {where}."
    return Exchange("continent", question, answer, where + ".", "continent", c)


def verify(p: Picker) -> Exchange:
    """Ask whether a city is the capital of a country; half of the time it is not."""
    c, k, _ = p.choice(facts.COUNTRIES)
    if p.rng.random() < 0.5:
        answer = f"Yes, {k} is the capital of {c}."
        return Exchange("verify", p.word("verify", k=k, c=c), answer, "Yes.", "capital", c)
    wrong = p.choice([row[1] for row in facts.COUNTRIES if row[0] != c])
    answer = f"No, the capital of {c} is {k}."
    return Exchange("verify", p.word("verify", k=wrong, c=c), answer, "No.", "capital", c)


def opposite(p: Picker, more: bool = False) -> Exchange:
    """Ask for the opposite of a word."""
    w = p.choice(list(facts.OPPOSITES))
    other = facts.OPPOSITES[w]
    question = p.word("opposite_more", w=w) if more else p.thing("opposite", 0.6, w=w)
    answer = f"The opposite of {w} is {other}."
    return Exchange("opposite", question, answer, upper_first(other) + ".", "opposite", w)


def arithmetic(p: Picker, more: bool = False) -> Exchange:
    """Ask for a sum, a difference or a product of small numbers."""
    kind = p.rng.choices(["plus", "minus", "times"], [5, 4, 1])[0]
    if kind == "times":
        a, b = p.rng.randint(0, 5), p.rng.randint(0, 5)
        sign, value = "*", a * b
    else:
        a, b = p.rng.randint(0, 10), p.rng.randint(0, 10)
        if kind == "minus" and a < b:
            a, b = b, a
        sign, value = ("+", a + b) if kind == "plus" else ("-", a - b)
    one: object = a
    two: object = b
    if p.rng.random() < 0.06 and not p.held_out:
        one, two = facts.NUMBER_WORDS[a], facts.NUMBER_WORDS[b]
    if more:
        spoken = p.choice(HELD_IN[f"{kind}_np"][:2]).format(a=one, b=two)
        question = p.word("sum_more", s=spoken)
    else:
        question = p.thing(kind, 0.5, a=one, b=two)
    return Exchange("sum", question, f"{a} {sign} {b} = {value}.", f"{value}.", "sum", f"{one}|{two}")


def compare(p: Picker) -> Exchange:
    """Ask which of two numbers is bigger."""
    a, b = p.rng.sample(range(0, 100 if p.rng.random() < 0.3 else 21), 2)
    answer = f"{max(a, b)} is bigger than {min(a, b)}."
    return Exchange("compare", p.word("compare", a=a, b=b), answer, f"{max(a, b)}.")


def following(p: Picker) -> Exchange:
    """Ask which day or month comes next."""
    kind, names = p.choice([("day", facts.DAYS), ("month", facts.MONTHS)])
    place = p.rng.randrange(len(names))
    after = names[(place + 1) % len(names)]
    question = p.word("next", w=names[place], kind=kind)
    return Exchange("next", question, f"{after} comes after {names[place]}.", after + ".")


def colour_of(p: Picker) -> Exchange:
    """Ask for the colour of a thing."""
    w = p.choice(list(facts.COLOURS_OF))
    colour = facts.COLOURS_OF[w]
    return Exchange("colour of", p.word("colour_of", w=w), f"{upper_first(w)} is {colour}.", upper_first(colour) + ".")


def sound(p: Picker) -> Exchange:
    """Ask what an animal says."""
    w = p.choice(list(facts.SOUNDS))
    noise = facts.SOUNDS[w]
    return Exchange("sound", p.word("sound", w=w), f"A {w} says {noise}.".replace("A owl", "An owl"),
                    upper_first(noise) + ".")  # fmt: skip
