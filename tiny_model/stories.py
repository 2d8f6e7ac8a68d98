"""Small stories and poems, put together from parts at random."""

from __future__ import annotations

import random

from tiny_model.facts import cut

HEROES: list[str] = cut(
    "fox,cat,dog,bear,mouse,rabbit,owl,frog,horse,duck,lion,hedgehog,robot,king,queen,girl,boy,baker,"
    "sailor,wizard,"
    "dragon,farmer,knight,turtle,pirate,teacher,whale,snail,ghost,gardener",
    ",",
)
_TRAITS = cut("small,old,brave,shy,curious,kind,lazy,clever,hungry,lonely,happy,quiet,proud,tired", ",")
_PLACES = cut(
    "in a dark forest,by the sea,on a high hill,in a small village,near a river,in an old castle,on a farm,"
    "in a big city,under an oak tree,on an island,in a quiet valley,behind the mill",
    ",",
)
_THINGS = cut(
    "a golden key,a red balloon,an old map,a silver bell,a lost letter,a round stone,a tiny door,a blue "
    "feather,"
    "a wooden boat,a music box,a magic lamp,a warm coat,a broken clock,a basket of apples",
    ",",
)
_TIMES = cut("One day,One morning,One cold evening,One night,Late in the summer,After a storm,One rainy day", ",")
_FRIENDS = cut("crow,goat,bee,squirrel,sheep,wolf,swan,donkey,beaver,goose,otter,sparrow", ",")
_FEELINGS = cut("happy,surprised,very glad,a little afraid,full of hope,proud,not so sure,delighted", ",")
_PROBLEMS = cut(
    "it began to rain,the path was gone,a strong wind came up,night fell early,the bridge was broken,"
    "there was a strange noise,snow covered everything,nobody knew the way home",
    ",",
)
_PLANS = cut(
    "They built a small fire,They sang a song,They asked the moon for help,They waited under a tree,"
    "They followed the stars,They shared a piece of bread,They looked for a dry place,They told each other "
    "jokes",
    ",",
)
_ENDINGS = cut(
    "In the end they became friends.,From that day on they were never alone.,"
    "Then everyone went home and slept well.,And that is how it all ended well.,"
    "They still laugh about it today.,Since then the door is always open.",
    ",",
)
_LONE_ENDINGS = cut(
    "In the end everything was well.,That night the {h} slept very well.,And the {h} was never sad again.,"
    "The {h} still tells this story today.,Then the {h} went home with a smile.",
    ",",
)


def _article(word: str) -> str:
    return ("an " if word[0] in "aeiou" else "a ") + word


def _opening(rng: random.Random, hero: str, trait: str) -> str:
    place = rng.choice(_PLACES)
    return rng.choice(
        [
            f"Once upon a time there was {_article(trait)} {hero} who lived {place}.",
            f"{_article(trait).capitalize()} {hero} lived {place}.",
            f"Once there was {_article(trait)} {hero} {place}.",
            f"There was once {_article(trait)} {hero} who lived {place}.",
        ]
    )


def _finding(rng: random.Random, hero: str, thing: str) -> str:
    time = rng.choice(_TIMES)
    return rng.choice(
        [
            f"{time} the {hero} found {thing}.",
            f"{time} the {hero} saw {thing} in the grass.",
            f"{time} {thing} lay in front of the house.",
        ]
    )


def _bare(thing: str) -> str:
    return thing.split(" ", 1)[1]


def short(rng: random.Random, hero: str | None = None) -> str:
    """Return a story of four to six sentences, about `hero` if given."""
    hero = hero or rng.choice(HEROES)
    friend, thing = rng.choice(_FRIENDS), rng.choice(_THINGS)
    lines = [_opening(rng, hero, rng.choice(_TRAITS)), _finding(rng, hero, thing)]
    if rng.random() < 0.6:
        lines.append(
            rng.choice(
                [
                    f"The {hero} was {rng.choice(_FEELINGS)} and took the {_bare(thing)} to a {friend}.",
                    f"A {friend} came by and asked for the {_bare(thing)}.",
                    f"The {_bare(thing)} belonged to a {friend} who had lost it.",
                ]
            )
        )
        if rng.random() < 0.5:
            lines.append(f"Then {rng.choice(_PROBLEMS)}. {rng.choice(_PLANS)}.")
        else:
            lines.append(
                rng.choice(
                    [
                        f'"Let us share it," said the {hero}.',
                        f'"You can keep it," said the {hero}.',
                        f'"Come and play with me," said the {friend}.',
                        f"The {friend} was {rng.choice(_FEELINGS)}.",
                    ]
                )
            )
        lines.append(rng.choice(_ENDINGS))
    else:
        lines.append(f"The {hero} was {rng.choice(_FEELINGS)}.")
        lines.append(
            rng.choice(
                [
                    f"But then {rng.choice(_PROBLEMS)}.",
                    f"The {hero} took the {_bare(thing)} home.",
                    f"Nobody knew where the {_bare(thing)} came from.",
                ]
            )
        )
        lines.append(rng.choice(_LONE_ENDINGS).format(h=hero))
    return " ".join(lines)


def long(rng: random.Random, hero: str | None = None) -> str:
    """Return a story of three to five paragraphs, 150 to 250 tokens long, about `hero` if given."""
    hero = hero or rng.choice(HEROES)
    thing = rng.choice(_THINGS)
    friends = rng.sample(_FRIENDS, 3)
    problems = rng.sample(_PROBLEMS, 3)
    plans = rng.sample(_PLANS, 3)
    paragraphs = [
        f"{_opening(rng, hero, rng.choice(_TRAITS))} {_finding(rng, hero, thing)} "
        f"The {hero} was {rng.choice(_FEELINGS)} and wanted to know whose {_bare(thing)} it was."
    ]
    for turn, friend in enumerate(friends[: rng.choice([2, 3, 3])]):
        word = ["First", "Then", "At last"][turn]
        place = rng.choice(_PLACES)
        paragraphs.append(
            f"{word} the {hero} met a {friend} {place}. "
            + rng.choice(
                [
                    f'"Is this your {_bare(thing)}?" asked the {hero}. '
                    f'"No," said the {friend}, "but I will come with you."',
                    f"The {friend} was {rng.choice(_FEELINGS)} and wanted to help.",
                ]
            )
            + f" But soon {problems[turn]}. {plans[turn]}."
        )
    paragraphs.append(
        f"In the morning they came to a little house. The {_bare(thing)} belonged to "
        f"{_article(rng.choice(_TRAITS))} woman who lived there. She was {rng.choice(_FEELINGS)} and "
        f"made soup for everyone. {rng.choice(_ENDINGS)}"
    )
    return "\n\n".join(paragraphs)


def poem(rng: random.Random) -> str:
    """Return a poem of four lines in two rhyming pairs."""
    pairs = [
        ("The moon is high, the night is deep,", "the little birds are all asleep."),
        ("The wind is cold, the sky is grey,", "the leaves are dancing all the day."),
        ("A ship goes out upon the sea,", "and leaves the harbour there for me."),
        ("The sun comes up, the day is new,", "the grass is shining with the dew."),
        ("The fire is warm, the house is small,", "the shadows play upon the wall."),
        ("I wrote a line, I wrote a word,", "it flew away just like a bird."),
        ("The snow falls down without a sound,", "and makes a blanket on the ground."),
        ("A cat looks out into the rain,", "and then goes back to sleep again."),
    ]
    return "\n".join(line for pair in rng.sample(pairs, 2) for line in pair)
