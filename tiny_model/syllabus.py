"""What is taught, and how much of each: all that tiny-chat can be asked without tools."""

from __future__ import annotations

from collections.abc import Callable

from tiny_model import crafts, lookups
from tiny_model.exchanges import Exchange, Picker

#: Maker and weight of the families asked on their own.
MAKERS: list[tuple[Callable[[Picker], Exchange], float]] = [
    (lookups.capital, 9),
    (lookups.country, 4),
    (lookups.continent, 4),
    (lookups.verify, 1),
    (lookups.opposite, 6),
    (lookups.arithmetic, 14),
    (lookups.compare, 0.5),
    (lookups.following, 1),
    (lookups.colour_of, 1.2),
    (lookups.sound, 1.2),
    (crafts.markdown_list, 9),
    (crafts.pick, 6),
    (crafts.chance, 2),
    (crafts.count, 3),
    (crafts.series, 1.2),
    (crafts.code, 4),
    (crafts.country_as_json, 3),
    (crafts.person_as_json, 0.5),
    (crafts.story, 4),
    (crafts.long_story, 0.8),
    (crafts.verse, 1),
    (crafts.talk, 5),
    (crafts.term, 3.5),
    (crafts.echo, 1.5),
    (crafts.unknown, 9),
]


def any_exchange(p: Picker) -> Exchange:
    """Draw a family by its weight and make an exchange of it."""
    return p.rng.choices([maker for maker, _ in MAKERS], [weight for _, weight in MAKERS])[0](p)
