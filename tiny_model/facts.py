"""Tables of facts: everything that tiny-chat knows about the world is typed in here."""

from __future__ import annotations


def cut(text: str, mark: str | None = None) -> list[str]:
    """Return the parts of `text` between the `mark`s, or its words."""
    return text.split(mark)


_EUROPE = """\
France:Paris Germany:Berlin Italy:Rome Spain:Madrid Portugal:Lisbon Austria:Vienna Belgium:Brussels
Denmark:Copenhagen Norway:Oslo Sweden:Stockholm Finland:Helsinki Iceland:Reykjavik Ireland:Dublin
Poland:Warsaw Hungary:Budapest Greece:Athens Croatia:Zagreb Serbia:Belgrade Bulgaria:Sofia
Romania:Bucharest Ukraine:Kyiv Russia:Moscow Estonia:Tallinn Latvia:Riga Lithuania:Vilnius
Slovakia:Bratislava Slovenia:Ljubljana Switzerland:Bern Albania:Tirana the_Netherlands:Amsterdam
the_United_Kingdom:London"""
_ASIA = """\
Japan:Tokyo China:Beijing India:New_Delhi Indonesia:Jakarta Thailand:Bangkok Vietnam:Hanoi Iran:Tehran
Iraq:Baghdad Nepal:Kathmandu Mongolia:Ulaanbaatar South_Korea:Seoul Turkey:Ankara Pakistan:Islamabad
Saudi_Arabia:Riyadh the_Philippines:Manila"""
_AFRICA = """\
Egypt:Cairo Kenya:Nairobi Nigeria:Abuja Morocco:Rabat Ghana:Accra Ethiopia:Addis_Ababa Senegal:Dakar
Algeria:Algiers Tunisia:Tunis Uganda:Kampala Angola:Luanda"""
_AMERICAS = {
    "South America": "Brazil:Brasilia Argentina:Buenos_Aires Chile:Santiago Peru:Lima Colombia:Bogota "
    "Ecuador:Quito Uruguay:Montevideo Venezuela:Caracas",
    "North America": "Canada:Ottawa Mexico:Mexico_City Cuba:Havana Jamaica:Kingston the_United_States:Washington",
}
_OCEANIA = "Australia:Canberra New_Zealand:Wellington Fiji:Suva"


def _read(table: str, continent: str) -> list[tuple[str, str, str]]:
    pairs = (entry.replace("_", " ").split(":") for entry in table.split())
    return [(country, capital, continent) for country, capital in pairs]


#: (country with its article where it has one, capital, continent)
COUNTRIES: list[tuple[str, str, str]] = [
    row
    for continent, table in [
        ("Europe", _EUROPE),
        ("Asia", _ASIA),
        ("Africa", _AFRICA),
        *_AMERICAS.items(),
        ("Oceania", _OCEANIA),
    ]
    for row in _read(table, continent)
]

_OPPOSITES = """hot:cold big:small tall:short fast:slow old:young happy:sad light:dark open:closed full:empty
early:late hard:soft wet:dry rich:poor strong:weak near:far high:low loud:quiet clean:dirty thick:thin
wide:narrow heavy:light good:bad true:false right:wrong up:down left:right in:out first:last day:night
black:white love:hate win:lose start:stop buy:sell push:pull come:go give:take sweet:sour rough:smooth
deep:shallow brave:cowardly awake:asleep easy:difficult cheap:expensive safe:dangerous polite:rude"""
#: A word to its opposite, both ways where the pair is not ambiguous.
OPPOSITES: dict[str, str] = {}
for _pair in _OPPOSITES.split():
    _one, _other = _pair.split(":")
    OPPOSITES.setdefault(_one, _other)
    OPPOSITES.setdefault(_other, _one)

#: A kind of thing: (singular, plural, its members in the order of the alphabet)
KINDS: list[tuple[str, str, list[str]]] = [
    ("fruit", "fruits", cut("apple banana cherry fig grape lemon mango melon orange peach pear plum")),
    ("colour", "colours", cut("black blue brown gold green grey orange pink purple red silver white yellow")),
    ("animal", "animals", cut("bear cat cow dog fox goat horse lion owl pig rabbit sheep tiger wolf")),
    (
        "vegetable",
        "vegetables",
        cut("bean cabbage carrot leek onion pea pepper potato radish spinach turnip"),
    ),
    ("bird", "birds", cut("crow dove duck eagle goose gull hawk owl robin sparrow stork swan")),
    ("tree", "trees", cut("ash beech birch cedar elm fir maple oak palm pine poplar willow")),
    ("flower", "flowers", cut("daisy iris lily lotus orchid pansy poppy rose tulip violet")),
    ("drink", "drinks", cut("beer cocoa coffee juice lemonade milk tea water wine")),
    ("sport", "sports", cut("boxing chess cricket fencing football golf hockey rowing rugby sailing tennis")),
    ("instrument", "instruments", cut("cello clarinet drum flute guitar harp organ piano trumpet violin")),
    ("tool", "tools", cut("axe chisel drill file hammer pliers saw screwdriver spade wrench")),
    ("planet", "planets", cut("Earth Jupiter Mars Mercury Neptune Saturn Uranus Venus")),
    ("metal", "metals", cut("aluminium copper gold iron lead nickel silver tin zinc")),
    ("insect", "insects", cut("ant bee beetle butterfly cricket fly moth wasp")),
]

DAYS: list[str] = cut("Monday Tuesday Wednesday Thursday Friday Saturday Sunday")
MONTHS: list[str] = cut("January February March April May June July August September October November December")
NUMBER_WORDS: list[str] = cut(
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen "
    "seventeen eighteen nineteen twenty"
)
#: A thing to its colour.
COLOURS_OF: dict[str, str] = dict(
    pair.strip().split(":")
    for pair in cut(
        "the sky:blue, grass:green, snow:white, coal:black, blood:red, the sun:yellow, milk:white, "
        "a lemon:yellow, a carrot:orange, chocolate:brown, a tomato:red, a banana:yellow, the sea:blue, a "
        "leaf:green",
        ",",
    )
)
#: An animal to what it says.
SOUNDS: dict[str, str] = dict(
    pair.split(":")
    for pair in cut(
        "cow:moo dog:woof cat:meow duck:quack sheep:baa pig:oink horse:neigh owl:hoot lion:roar "
        "mouse:squeak frog:croak bee:buzz"
    )
)

#: What a word of the trade means, in one sentence.
TERMS: dict[str, str] = {
    "a token": "A token is a piece of text, often a word or part of a word, that a language model reads and writes.",
    "temperature": "Temperature sets how freely a model chooses its next token: low is careful, high is varied.",
    "a context window": "The context window is the number of tokens a model can look at at once.",
    "a prompt": "A prompt is the text you give to a language model.",
    "a system prompt": "A system prompt tells the model how to behave in the whole conversation.",
    "a vocabulary": "The vocabulary is the set of all tokens a model knows.",
    "sampling": "Sampling means drawing the next token at random from the model's probabilities.",
    "greedy decoding": "Greedy decoding always takes the most likely token.",
    "top-p": "Top-p keeps the smallest set of tokens whose probabilities add up to p.",
    "top-k": "Top-k keeps only the k most likely tokens.",
    "a logit": "A logit is the raw score a model gives to a token.",
    "a parameter": "A parameter is a number inside the model that was learned in training.",
    "quantization": "Quantization stores the numbers of a model with fewer bits.",
    "GGUF": "GGUF is a file format that holds a language model.",
    "an embedding": "An embedding is a list of numbers that stands for a piece of text.",
    "a chat template": "A chat template turns a list of messages into one text for the model.",
    "fine-tuning": "Fine-tuning means training a finished model a little more.",
    "a seed": "A seed is a number that makes random choices repeatable.",
    "a stop sequence": "A stop sequence is a text that ends the answer when it appears.",
    "a tool call": "A tool call is a message in which the model asks a program to run a function.",
    "streaming": "Streaming means showing an answer token by token while it is written.",
    "a language model": "A language model is a program that predicts the next token of a text.",
    "a neural network": "A neural network is a program made of many numbers that are learned from examples.",
    "a tokenizer": "A tokenizer cuts text into tokens.",
    "attention": "Attention lets a model look back at the earlier tokens.",
    "a notebook": "A notebook is a document that mixes text, code and results.",
    "Markdown": "Markdown is a simple way to write formatted text.",
    "JSON": "JSON is a text format for data.",
    "Python": "Python is a programming language.",
    "training": "Training means changing the parameters of a model until it predicts well.",
    "a hallucination": "A hallucination is an answer that sounds right but is false.",
    "perplexity": "Perplexity says how surprised a model is by a text.",
}

#: (name, what it does in the infinitive, the source)
FUNCTIONS: list[tuple[str, str, str]] = [
    ("add", "add two numbers", "def add(a, b):\n    return a + b"),
    ("subtract", "subtract two numbers", "def subtract(a, b):\n    return a - b"),
    ("multiply", "multiply two numbers", "def multiply(a, b):\n    return a * b"),
    ("divide", "divide two numbers", "def divide(a, b):\n    return a / b"),
    ("square", "square a number", "def square(x):\n    return x * x"),
    ("double", "double a number", "def double(x):\n    return 2 * x"),
    ("is_even", "check whether a number is even", "def is_even(n):\n    return n % 2 == 0"),
    ("is_odd", "check whether a number is odd", "def is_odd(n):\n    return n % 2 == 1"),
    ("greet", "greet a person", 'def greet(name):\n    return f"Hello, {name}!"'),
    ("maximum", "find the larger of two numbers", "def maximum(a, b):\n    return a if a > b else b"),
    ("minimum", "find the smaller of two numbers", "def minimum(a, b):\n    return a if a < b else b"),
    ("reverse", "reverse a string", "def reverse(text):\n    return text[::-1]"),
    (
        "factorial",
        "compute the factorial of a number",
        "def factorial(n):\n    if n < 2:\n        return 1\n    return n * factorial(n - 1)",
    ),
    (
        "fibonacci",
        "compute the Fibonacci numbers",
        "def fibonacci(n):\n    a, b = 0, 1\n    for _ in range(n):\n        a, b = b, a + b\n    return a",
    ),
    (
        "average",
        "compute the average of a list",
        "def average(numbers):\n    return sum(numbers) / len(numbers)",
    ),
    ("count_words", "count the words of a text", "def count_words(text):\n    return len(text.split())"),
    (
        "is_palindrome",
        "check whether a word is a palindrome",
        "def is_palindrome(w):\n    return w == w[::-1]",
    ),
    ("absolute", "compute the absolute value of a number", "def absolute(x):\n    return -x if x < 0 else x"),
    ("shout", "turn a text into upper case", "def shout(text):\n    return text.upper()"),
    ("total", "sum a list of numbers", "def total(numbers):\n    return sum(numbers)"),
]

JOKES: list[str] = [
    "Why did the token cross the road? It was the most likely thing to do.",
    "Why was the notebook tired? It had too many cells to run.",
    "What did the zero say to the eight? Nice belt!",
    "Why was the computer cold? It left its windows open.",
    "What do you call a bear with no teeth? A gummy bear.",
    "Why did the model go to school? It had more to learn.",
]

NAMES: list[str] = cut(
    "Anna Ben Clara David Emma Felix Grace Hugo Ida Jonas Kate Leo Mia Nina Oscar Paul Rosa Sam Tom Vera "
    "Will "
    "Zoe Alice Bob Carol Dan Eve Frank Lucy Max Nora Omar Peter Ruth Sara Theo Uma Ali Mei Yuki Ravi Lena"
)
CITIES: list[str] = cut(
    "Hamburg,Munich,Milan,Naples,Lyon,Porto,Boston,Chicago,Osaka,Kyoto,Sydney,Mumbai,Glasgow,Geneva,Zurich,"
    "Bergen,"
    "New York,Shanghai,Toronto,Florence,Seville,Leeds,Turin,Basel,Ghent,Perth,Lagos,Dubai,Singapore,Hong "
    "Kong",
    ",",
)
