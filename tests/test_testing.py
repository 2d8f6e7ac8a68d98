"""`modelhub.testing.check_model`: what a good model passes, and the line each kind of bad one gets."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from modelhub_parrot import Parrot  # pip install ./examples/modelhub-parrot, as `make test` does
from pydantic import ConfigDict, Field

import modelhub
from modelhub.testing import check_model

EXAMPLE = Path(__file__).resolve().parent.parent / "examples" / "modelhub-parrot"


class Good(modelhub.Model):
    """Passes everything; the bad ones are it with one fault."""

    id = "good"
    description = "says hello"

    class Options(modelhub.Options):
        loud: bool = Field(False, description="whether it shouts")

    def execute(self, request: Any, options: Any) -> Iterator[Any]:
        for word in ("hello ", "there"):
            yield word.upper() if getattr(options, "loud", False) else word


def test_the_example_passes() -> None:
    """The plugin of the repository passes, has at most 40 lines, and is what is installed."""
    report = check_model(Parrot())
    assert len(report.checked) == 6 and not report.notes
    assert str(report).splitlines()[0].startswith("parrot: 6 checks in ")
    code = (EXAMPLE / "modelhub_parrot.py").read_text()
    assert len(code.splitlines()) <= 40
    import modelhub_parrot

    assert Path(modelhub_parrot.__file__).read_text() == code, "pip install ./examples/modelhub-parrot"


def test_an_asynchronous_one_passes() -> None:
    """So does a model whose `execute` is an async generator."""

    class Later(Good):
        async def execute(self, request: Any, options: Any) -> AsyncIterator[Any]:  # type: ignore[override]
            for word in ("hello ", "there"):
                await asyncio.sleep(0)
                yield word

    assert len(check_model(Later()).checked) == 6


def test_options_that_must_be_given() -> None:
    """A model with options that have no default is checked with those that are handed over."""

    class Asks(Good):
        class Options(modelhub.Options):
            voice: str

    assert "options without a description: voice" in check_model(Asks(), options={"voice": "deep"}).notes
    with pytest.raises(AssertionError, match=r"good: its Options refuse their own defaults: .*voice must be given"):
        check_model(Asks())


class Loose(modelhub.Options):
    model_config = ConfigDict(extra="allow")


class Drifting(modelhub.Options):
    steps: int = Field(1, ge=1)

    def model_post_init(self, context: Any) -> None:
        self.__dict__["steps"] = self.steps + 1


def failing(_self: Any, request: Any, options: Any) -> Any:
    raise ConnectionError("no line")
    yield ""


def printing(_self: Any, request: Any, options: Any) -> Any:
    print("thinking…")
    yield "hello"


def silent(_self: Any, request: Any, options: Any) -> Any:
    yield ""


def fragile(_self: Any, request: Any, options: Any) -> Any:
    yield request.messages[-1].text.split()[0]


def plain_only(_self: Any, request: Any, options: Any) -> Any:
    yield request.messages[-1].content + " "


def ascii_only(_self: Any, request: Any, options: Any) -> Any:
    yield request.messages[-1].text.encode("ascii").decode() or "nothing"


def endless(_self: Any, request: Any, options: Any) -> Any:
    while True:
        yield "more "
        time.sleep(0.01)


class Once(Good):
    """Answers once."""

    asked = 0

    def execute(self, request: Any, options: Any) -> Iterator[Any]:
        self.asked += 1
        if self.asked > 7:
            raise RuntimeError("only so often")
        yield "hello "
        yield "there"


class Alone(Good):
    """Answers one at a time."""

    def __init__(self) -> None:
        self.busy = threading.Lock()

    def execute(self, request: Any, options: Any) -> Iterator[Any]:
        if not self.busy.acquire(blocking=False):
            raise RuntimeError("busy")
        try:
            time.sleep(0.2)
            yield "hello "
            yield "there"
        finally:
            self.busy.release()


def made(**attributes: Any) -> Callable[[], modelhub.Model]:
    return type("Bad", (Good,), attributes)


BAD: dict[str, tuple[Callable[[], Any], str]] = {
    "a class": (lambda: Good, "register() takes a model instance, got class Good"),
    "a wrong id": (made(id="a b"), "it cannot be registered: the id of a model is letters"),
    "loose options": (made(Options=Loose), "its Options accept an option that they do not have"),
    "options that drift": (made(Options=Drifting), "option steps changes when it is read again: 2 became 3"),
    "an execute that is missing": (made(execute=modelhub.Model.execute), "Bad has no execute(self, request, options)"),
    "one that always fails": (made(execute=failing), "a question: Bad"),
    "one that prints": (made(execute=printing), "it printed 'thinking"),
    "one that says nothing": (made(execute=silent), "it gave no text as an answer to 'Say something.'"),
    "one that cannot hear nothing": (made(execute=fragile), "an empty question: "),
    "one that knows text and no parts": (made(execute=plain_only), "a conversation of several turns: "),
    "one that knows English only": (made(execute=ascii_only), "a question in many scripts: "),
    "one without an end": (made(execute=endless), "a question was not answered in 1 seconds"),
    "one that can be asked a few times": (Once, "only so often"),
    "one that answers alone": (Alone, "of 4 at once: "),
}


@pytest.mark.parametrize("what", BAD)
def test_a_bad_one_gets_one_line(what: str) -> None:
    """Each fault is one line that names the model, what was expected and what came."""
    make, said = BAD[what]
    with pytest.raises(AssertionError) as failed:
        check_model(make(), seconds=1)
    line = str(failed.value)
    assert said.removesuffix("Bad") in line and "\n" not in line


def test_one_that_does_not_let_go() -> None:
    """A model that is not closed in time when it is stopped is told to yield and to let itself be closed."""

    class Sticky(Good):
        asked = 0

        def execute(self, request: Any, options: Any) -> Iterator[Any]:
            self.asked += request.messages[-1].text == "Say something."
            try:
                yield "hello "
                while self.asked == 2:  # the time it is stopped
                    yield "more "
            except GeneratorExit:
                time.sleep(5)
                raise

    with pytest.raises(AssertionError, match=r"good: it was stopped after one piece, and its generator was not closed"):
        check_model(Sticky(), seconds=1)
