"""Questions that tiny-chat cannot answer, and invented names and phrases."""

from __future__ import annotations

import random

from tiny_model import facts
from tiny_model.facts import cut
from tiny_model.phrasings import HELD_IN, HELD_OUT

_ONSETS = cut("b,br,c,ch,d,dr,f,g,gl,gr,h,j,k,kr,l,m,n,p,pr,qu,r,s,sh,st,t,th,tr,v,w,x,y,z,zh", ",")
_NUCLEI = cut("a,e,i,o,u,ai,ea,ie,oo,ou,y", ",")
_CODAS = cut(",,,,b,d,g,k,l,m,n,nd,r,rk,s,t,x", ",")
_LAND_ENDINGS = cut("ia,land,stan,a,o,ova,onia,aria,istan,esia,or,ur,is,um,", ",")

#: Places that are not in the tables, real and made up.
PLACES: list[str] = cut(
    "Atlantis,Narnia,Mordor,Wakanda,Gondor,Utopia,Eldorado,Camelot,Ruritania,Freedonia,Oz,Lilliput,Genovia,"
    "Krypton,"
    "the Moon,Mars,Texas,California,Bavaria,Scotland,Wales,Europe,Africa,Antarctica,Tuscany,Sicily,"
    "Hogwarts,Shangri-La,"
    "Quebec,Siberia,Tibet,Malta,Cyprus,Laos,Bolivia,Paraguay,Zambia,Mali,Chad,Gabon,Yemen,Oman,Jordan,Panama",
    ",",
)
_TOPICS = cut(
    "quantum physics,the French Revolution,the stock market,photosynthesis,black holes,the law of gravity,"
    "the Roman Empire,inflation,football results,the last election,chess openings,DNA,climate change,"
    "philosophy,"
    "the meaning of life,electricity,volcanoes,the Bible,medicine,taxes,rockets,opera,wine making,car "
    "engines,"
    "ancient Greece,the history of art,algebra,geometry,bacteria,evolution,dinosaurs,the human brain,"
    "economics",
    ",",
)
_THINGS = cut(
    "telephone,bicycle,light bulb,steam engine,internet,piano,camera,compass,printing press,aeroplane,"
    "radio,telescope,"
    "computer,wheel,clock,microscope,zip,umbrella,paper,glass,train,submarine,vaccine,battery,fridge,"
    "elevator",
    ",",
)
_PEOPLE = cut(
    "Napoleon,Einstein,Cleopatra,Mozart,Shakespeare,Newton,Caesar,Picasso,Beethoven,Columbus,Darwin,Gandhi,"
    "Plato,"
    "Marie Curie,Leonardo,Lincoln,Socrates,Bach,Galileo,Goethe,my neighbour,the president,the king of "
    "Spain,the pope",
    ",",
)
_PLURALS = cut(
    "cars,stars,people,bones,islands,rivers,languages,books,grains of sand,fish,trees,houses,planes,legs,"
    "teeth,"
    "bridges,phones,cities,stairs,songs,votes,museums,schools,wheels,chairs,atoms",
    ",",
)
_BIG = cut(
    "the Eiffel Tower,Mount Everest,the Nile,the Great Wall,the ocean,the tallest building,the Amazon,the Sun",
    ",",
)
_WORDS = cut(
    "hello,world,good,morning,blue,moon,the,cat,is,here,I,like,tea,we,are,friends,open,door,red,house,one,"
    "two,three,"
    "rain,in,spring,my,dear,token,by,light,of,day,sing,a,song,yes,no,maybe,banana,bread,code,run,fast,so,"
    "long",
    ",",
)

_LANGUAGES = cut("French,German,Spanish,Italian,Japanese,Latin,Greek,Russian,Polish,Dutch,Swedish,Chinese", ",")
_DISHES = cut("rice,soup,pasta,bread,eggs,pizza,a cake,beans,fish,potatoes,salt,water,sugar,pancakes", ",")


def invented(rng: random.Random) -> str:
    """Return a made-up name such as "Trabond"."""
    parts = [rng.choice(_ONSETS) + rng.choice(_NUCLEI) + rng.choice(_CODAS) for _ in range(rng.choice([1, 2, 2, 3]))]
    if rng.random() < 0.4:
        parts[-1] += rng.choice(_LAND_ENDINGS)
    return "".join(parts).capitalize()


def place(rng: random.Random) -> str:
    """Return a place whose capital tiny-chat does not know."""
    name = rng.choice(PLACES) if rng.random() < 0.35 else invented(rng)
    return name if rng.random() > 0.05 else rng.choice(["New ", "North ", "Old ", "East "]) + name


def phrase(rng: random.Random) -> str:
    """Return one to five words to be repeated."""
    words = [rng.choice(_WORDS) if rng.random() < 0.7 else invented(rng) for _ in range(rng.randint(1, 5))]
    return " ".join(words) if rng.random() < 0.8 else upper(" ".join(words))


def jumble(rng: random.Random) -> str:
    """Return four to twenty-four words, names, numbers and signs in no order, to be repeated."""
    parts = []
    for _ in range(rng.randint(4, 24)):
        draw = rng.random()
        if draw < 0.35:
            parts.append(invented(rng))
        elif draw < 0.6:
            parts.append(rng.choice(_WORDS + _PLURALS + _PEOPLE + PLACES))
        elif draw < 0.8:
            parts.append(str(rng.randint(0, 10 ** rng.randint(1, 5))))
        else:
            parts.append(rng.choice(facts.COUNTRIES)[rng.randint(0, 1)])
    return rng.choice([" ", " ", ", ", " - ", '", "', ": "]).join(parts)


def upper(text: str) -> str:
    """Return `text` with a capital at its start."""
    return text[0].upper() + text[1:]


def question(rng: random.Random, held_out: bool = False) -> str:
    """Return a question that is to be refused."""
    if not held_out and rng.random() < 0.38:
        near = place(rng)
        if rng.random() < 0.6:
            family = rng.choice(["capital", "capital_np", "capital_np", "continent", "capital_more", "json"])
        else:
            family = rng.choice(["opposite_np", "country", "opposite", "sound", "colour_of"])
            near = invented(rng).lower() if family != "country" else near
        text = rng.choice(HELD_IN[family]).format(c=near, w=near, k=near)
        if family.endswith("_np"):
            text = rng.choice(HELD_IN["frame"]).format(np=text)
        return upper(text)
    if held_out and rng.random() < 0.3:
        return rng.choice(
            ["Which city serves as the capital of {c}?", "Help me out, what is the capital of {c}?"]
        ).format(c=place(rng))
    small = rng.random() < 0.5
    slots = {
        "t": rng.choice(_THINGS),
        "u": rng.choice(_THINGS),
        "q": rng.choice(_TOPICS),
        "p": rng.choice(_PEOPLE),
        "n": rng.choice(_PLURALS),
        "b": rng.choice(_BIG),
        "x": place(rng),
        "c": rng.choice(facts.COUNTRIES)[0],
        "d": rng.choice(facts.COUNTRIES)[1],
        "y": rng.randint(1200, 2040),
        "l": rng.choice(_LANGUAGES),
        "m": rng.randint(101, 999) if small else rng.randint(1000, 99999),
        "o": rng.randint(21, 999),
        "r": rng.choice(_DISHES),
        "i": invented(rng),
        "j": invented(rng),
    }
    if rng.random() < 0.3:
        slots["i"], slots["j"] = str(slots["i"]).lower(), str(slots["j"]).lower()
    return upper(rng.choice((HELD_OUT if held_out else HELD_IN)["unknown"]).format(**slots))
