"""A parrot: it says what it has heard from you, in its own order."""

import random
from itertools import pairwise

from pydantic import Field

import modelhub


class Parrot(modelhub.Model):
    """A Markov chain over the words of the conversation."""

    id = "parrot"
    description = "says your words again, in its own order"

    class Options(modelhub.Options):
        """What `-o NAME=VALUE` sets."""

        words: int = Field(20, ge=1, le=1000, description="the most words it says")
        seed: int | None = Field(None, description="makes what it says repeatable")

    def execute(self, request, options):
        """Yield a word at a time: each is one that was heard behind the last."""
        heard = " ".join(m.text for m in request.messages if m.role == "user").split() or ["Squawk!"]
        pairs, draw, word = list(pairwise(heard)), random.Random(options.seed), heard[0]
        for number in range(options.words):
            yield f" {word}" if number else word
            after = [second for first, second in pairs if first == word]
            if not after:
                return
            word = draw.choice(after)
        yield self.Finish("length")


@modelhub.hookimpl
def register_models(register):
    """Offer the parrot to modelhub, by its name and another."""
    register(Parrot(), aliases=("polly",))
