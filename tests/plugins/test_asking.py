"""Models of plugins, asked through the hub: whatever their `execute` is, and whatever it does."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from pydantic import Field

import modelhub
from modelhub.errors import BadRequest, HubError, ModelNotFound, PluginFailed
from modelhub.kernels.hub import Hub

SECONDS = 30.0


class Saying(modelhub.Model):
    """Runs the function it is made with as its `execute`."""

    def __init__(self, execute: Callable[..., Any], ident: str = "said") -> None:
        self.id = ident
        self.execute = execute  # type: ignore[method-assign]  # each test has its own


@pytest.fixture
def offer(hub: Hub) -> Iterator[Callable[..., Hub]]:
    """Offers a model of this notebook, or a function as one; the hub that has it is asked."""
    added = []

    def add(model: Any, aliases: tuple[str, ...] = ()) -> Hub:
        model = model if isinstance(model, modelhub.Model) else Saying(model)
        added.append(hub.plugins.add(model, aliases).name)
        return hub

    yield add
    for name in added:
        hub.plugins.remove(name)


def plain(request: Any, options: Any) -> Any:
    yield "one "
    yield "two"


async def later(request: Any, options: Any) -> Any:
    yield "one "
    yield "two"


async def awaited(request: Any, options: Any) -> str:
    return "one two"


WAYS = {
    "a generator": plain,
    "an async generator": later,
    "a text": lambda request, options: "one two",
    "a list": lambda request, options: ["one ", "two"],
    "a coroutine": awaited,
}


@pytest.mark.parametrize("way", WAYS)
def test_every_way_to_answer(offer: Callable[..., Hub], way: str) -> None:
    """A generator, an async one, a text, a list and a coroutine all answer; nothing is made up about tokens."""
    response = offer(WAYS[way]).chat("Count.", model="said")
    assert (response.text(), response.finish_reason, response.usage()) == ("one two", "stop", {})
    assert "usage" not in response.json()
    assert response.debug["engine"] == "plugin" and response.debug["plugin"] == "notebook"
    again = type(response).from_dict(response.to_dict())
    assert (again.text(), again.usage()) == ("one two", {})


@pytest.mark.parametrize("asynchronous", [False, True])
def test_it_streams(offer: Callable[..., Hub], asynchronous: bool) -> None:
    """What was yielded is there before the rest is."""
    gate = threading.Event()

    def wait(request: Any, options: Any) -> Any:
        yield "first"
        assert gate.wait(SECONDS)
        yield " second"

    async def wait_async(request: Any, options: Any) -> Any:
        import asyncio

        yield "first"
        assert await asyncio.to_thread(gate.wait, SECONDS)
        yield " second"

    response = offer(wait_async if asynchronous else wait).chat("Count.", model="said")
    pieces = iter(response)
    assert next(pieces) == "first" and not response.done
    gate.set()
    assert "".join(pieces) == " second"


@pytest.mark.parametrize("asynchronous", [False, True])
def test_it_stops_between_two_pieces(offer: Callable[..., Hub], asynchronous: bool) -> None:
    """An answer without end stops when it is told, keeps what came, and its generator is closed."""
    closed = threading.Event()

    def endless(request: Any, options: Any) -> Any:
        try:
            while True:
                yield "word "
        finally:
            closed.set()

    async def endless_async(request: Any, options: Any) -> Any:
        try:
            while True:
                yield "word "
        finally:
            closed.set()

    response = offer(endless_async if asynchronous else endless).chat("Go on.", model="said")
    next(iter(response))
    response.stop()
    assert closed.wait(SECONDS) and response.wait(SECONDS)
    assert response.partial().startswith("word ") and response.interrupted and response.finish_reason is None
    assert response.usage() == {}


def test_no_thread_is_left(offer: Callable[..., Hub]) -> None:
    """Answers that were stopped while they came faster than they were read leave no thread behind."""

    def endless(request: Any, options: Any) -> Any:
        while True:
            yield "word "

    hub = offer(endless)
    responses = [hub.chat("Go on.", model="said") for _ in range(8)]
    for response in responses:
        next(iter(response))
    for response in responses:
        response.stop()
    for thread in threading.enumerate():
        if thread.name == "modelhub plugin's answer":
            thread.join(5)
            assert not thread.is_alive()


def test_it_stops_where_it_blocks(offer: Callable[..., Hub]) -> None:
    """A plugin that blocks for good does not keep the one who stops it waiting."""
    gate = threading.Event()

    def blocks(request: Any, options: Any) -> Any:
        yield "first"
        gate.wait(SECONDS)

    response = offer(blocks).chat("Go on.", model="said")
    next(iter(response))
    response.stop()
    assert response.wait(SECONDS) and response.partial() == "first" and not gate.is_set()
    gate.set()


def raising(error: BaseException) -> Callable[..., Any]:
    def execute(request: Any, options: Any) -> Any:
        yield "so far "
        raise error

    return execute


def yielding(thing: Any) -> Callable[..., Any]:
    def execute(request: Any, options: Any) -> Any:
        yield "so far "
        yield thing

    return execute


FAILURES = {
    "an error": (raising(ValueError("it broke\nin two")), "failed in the plugin notebook: ValueError: it broke in two"),
    "an exit": (raising(SystemExit(3)), "SystemExit: 3"),
    "an interrupt": (raising(KeyboardInterrupt()), "KeyboardInterrupt"),
    "a stray StopIteration": (raising(StopIteration()), "StopIteration"),
    "a number": (yielding(3), "execute yielded 3; it must yield text"),
    "bytes": (yielding(b"x"), "execute yielded b'x'; it must yield text"),
    "nothing": (yielding(None), "execute yielded None"),
    "a finish there is none of": (yielding(modelhub.Model.Finish("done")), "the finish reason 'done'; there are stop"),
    "a usage of half tokens": (yielding(modelhub.Model.Usage(1.5, 2)), "Usage takes whole numbers"),  # type: ignore[arg-type]
}


@pytest.mark.parametrize("what", FAILURES)
def test_a_failure_is_one_line_and_keeps_the_rest(offer: Callable[..., Hub], what: str) -> None:
    """Whatever a plugin raises or yields wrongly is PluginFailed in one line with its name; what came is kept."""
    execute, said = FAILURES[what]
    hub = offer(execute)
    response = hub.chat("Go on.", model="said", conversation="talk")
    with pytest.raises(PluginFailed) as failed:
        response.text()
    assert said in str(failed.value) and "\n" not in str(failed.value) and failed.value.plugin == "notebook"
    assert response.partial() == "so far "
    assert hub.chat("Still there?", model="tiny-chat", max_tokens=1).finish_reason in {"stop", "length", None}


def test_an_execute_that_is_missing(offer: Callable[..., Hub]) -> None:
    """A model without `execute` says so when it is asked."""

    class Bare(modelhub.Model):
        id = "said"

    with pytest.raises(PluginFailed, match=r"Bare has no execute\(self, request, options\)"):
        offer(Bare()).chat("x", model="said").text()


def test_an_error_of_ours_stays_itself(offer: Callable[..., Hub]) -> None:
    """A plugin that raises BadRequest refuses the request, and is not reported as broken."""
    with pytest.raises(BadRequest, match="no poems"):
        offer(raising(BadRequest("no poems"))).chat("x", model="said").text()


def test_what_it_knows_besides(offer: Callable[..., Hub]) -> None:
    """Usage, finish reason and reasoning are where OpenAI's answers have them, or in `debug`."""

    def execute(request: Any, options: Any) -> Any:
        yield modelhub.Model.Reasoning("hm ")
        yield "yes"
        yield modelhub.Model.Reasoning("so")
        yield modelhub.Model.Usage(prompt_tokens=3, completion_tokens=1)
        yield modelhub.Model.Finish("length")

    response = offer(execute).chat("x", model="said", stream=True, stream_options={"include_usage": True})
    assert response.text() == "yes" and response.finish_reason == "length"
    assert response.usage() == {"prompt_tokens": 3, "completion_tokens": 1, "total_tokens": 4}
    assert list(response.chunks())[-1]["usage"] == response.usage()
    assert response.debug["reasoning"] == "hm so"


def test_half_a_character_is_replaced(offer: Callable[..., Hub]) -> None:
    """Half a character, which no log can hold, becomes U+FFFD; whole ones stay what they are."""
    assert offer(yielding("a\ud83d|🚀")).chat("x", model="said").text() == "so far a\ufffd|🚀"


def test_it_is_told_the_whole_conversation(offer: Callable[..., Hub]) -> None:
    """System message, earlier turns and the question reach `execute` as messages."""
    heard: list[list[tuple[str, str]]] = []

    def execute(request: Any, options: Any) -> Any:
        heard.append([(m.role, m.text) for m in request.messages])
        yield f"answer {len(heard)}"

    hub = offer(execute)
    hub.chat("One?", model="said", system="Be brief.", conversation="talk").text()
    hub.chat(
        [{"role": "user", "content": [{"type": "text", "text": "Two?"}]}], model="said", conversation="talk"
    ).text()
    assert heard[1] == [("system", "Be brief."), ("user", "One?"), ("assistant", "answer 1"), ("user", "Two?")]


class Choosy(modelhub.Model):
    """Says which options it was given."""

    id = "choosy"

    class Options(modelhub.Options):
        temperature: float | None = Field(None, ge=0, le=5)
        max_tokens: int | None = Field(None, ge=1)
        top_k: int | None = None
        suppress: list[str] = Field(default_factory=list)
        keywords: list[str] = Field(default_factory=list)
        store: bool | None = None

    def execute(self, request: Any, options: Any) -> Any:
        yield repr(options.model_dump(exclude_unset=True))


def test_fields_and_options_reach_it(offer: Callable[..., Hub]) -> None:
    """A field it has an option for is the option; so are its own; what OpenAI's range cannot hold goes the same way."""
    hub = offer(Choosy())
    given = {"temperature": 0.5, "max_tokens": 7, "top_k": 3, "suppress": ["a"], "keywords": '["b"]', "store": True}
    response = hub.chat("x", model="choosy", **given)
    assert eval(response.text()) == {**given, "keywords": ["b"]}
    assert response.request.to_dict()["x_modelhub"]["model_options"] == {"keywords": '["b"]'}
    assert response.request.temperature == 0.5
    assert eval(hub.chat("x", model="choosy", temperature=4).text()) == {"temperature": 4.0}


def test_a_preset_of_it(offer: Callable[..., Hub]) -> None:
    """Its own options can be kept in a preset; a name it does not have is refused before anything is written."""
    hub = offer(Choosy())
    hub.catalog.derive("choosy", "mine", {"keywords": ["kept"], "temperature": 0.5})
    assert eval(hub.chat("x", model="mine", keywords=["new"]).text()) == {"keywords": ["new"], "temperature": 0.5}
    assert eval(hub.chat("x", model="mine").text()) == {"keywords": ["kept"], "temperature": 0.5}
    with pytest.raises(BadRequest, match=r"choosy: unknown option 'keyword'\. Did you mean 'keywords'"):
        hub.catalog.derive("choosy", "other", {"keyword": ["kept"]})


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"top_p": 0.5}, r"top_p=0\.5 is not supported by choosy: its options are temperature, max_tokens"),
        ({"min_p": 0.5}, r"min_p=0\.5 is not supported by choosy"),
        ({"n": 2}, "n=2 is not supported by choosy: a plugin's model gives one answer"),
        ({"logprobs": True}, "logprobs=True is not supported by choosy: plugins give no log probabilities"),
        ({"tools": [{}]}, "tools is not supported by choosy"),
        ({"temprature": 0.3}, "choosy: unknown option 'temprature'. Did you mean 'temperature'"),
        ({"supress": ["c"], "suppress": ["a"]}, "choosy: unknown option 'supress'. Did you mean 'suppress'"),
        ({"temperature": 9}, "choosy: option temperature: should be a number, 0 to 5; got 9"),
        ({"keywords": ["a", {}]}, r"choosy: option keywords\[1\]: should be a valid string; got {}"),
    ],
)
def test_what_it_has_no_option_for_is_refused(offer: Callable[..., Hub], given: dict[str, Any], said: str) -> None:
    """A field it cannot honour is refused by name before anything runs; none is dropped in silence."""
    with pytest.raises(BadRequest, match=said):
        offer(Choosy()).chat("x", model="choosy", **given)


def test_a_part_that_is_no_text_is_refused(offer: Callable[..., Hub]) -> None:
    """An image is refused by the name of the model."""
    image = [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "data:,"}}]}]
    with pytest.raises(BadRequest, match=r"messages\.0: choosy reads text; got a part of type 'image_url'"):
        offer(Choosy()).chat(image, model="choosy")


def test_a_local_model_has_no_options_of_its_own(hub: Hub) -> None:
    """The options of a plugin's model are refused by name where a GGUF is asked."""
    with pytest.raises(BadRequest, match="model_options is not supported by the local engine"):
        hub.chat("x", model="tiny-chat", x_modelhub={"model_options": {"keywords": []}})


def test_nothing_is_loaded(offer: Callable[..., Hub]) -> None:
    """It runs elsewhere: loading and unloading change nothing, and load parameters and scoring are refused."""
    hub = offer(plain)
    assert hub.load("said").state == "remote"
    assert hub.unload("said") is False
    assert [row for row in hub.status() if "said" in row["model"]] == []
    with pytest.raises(BadRequest, match="runs in the plugin notebook: there is nothing to load"):
        hub.load("said", context=512)
    with pytest.raises(BadRequest, match="which gives no log probabilities of a text"):
        hub.perplexity("a text", model="said")
    card = hub.catalog.find("said")
    assert (card.name, card.engine, str(card.state), card.source) == (
        "notebook/said", "plugin", "remote", "plugin notebook",
    )  # fmt: skip


def test_one_that_blocks_the_plugins_loop_holds_up_no_other(offer: Callable[..., Hub]) -> None:
    """An async plugin that blocks keeps neither a local model nor a plain plugin from answering."""
    gate, began = threading.Event(), threading.Event()

    async def rude(request: Any, options: Any) -> Any:
        began.set()
        yield "sorry" if gate.wait(SECONDS) else "too late"

    hub = offer(Saying(rude, "rude"))
    offer(plain)
    blocked = hub.chat("x", model="rude")
    assert began.wait(SECONDS)
    assert hub.chat("x", model="said").text() == "one two"
    assert hub.chat("x", model="tiny-chat", max_tokens=1).text() is not None
    gate.set()
    assert blocked.text() == "sorry"


def test_many_at_once(offer: Callable[..., Hub]) -> None:
    """Twenty answers at the same time, each its own."""

    def echo(request: Any, options: Any) -> Any:
        for word in request.messages[-1].text.split():
            yield word + " "

    hub = offer(echo)
    asked = [f"word {n} " * 50 for n in range(20)]
    assert [r.text() for r in [hub.chat(a, model="said") for a in asked]] == asked


def test_a_model_of_the_notebook(offer: Callable[..., Hub]) -> None:
    """A cell that is run again replaces its own model; an alias is a name; names of others are refused."""
    hub = offer(Saying(lambda request, options: "old"), aliases=("me",))
    offer(Saying(lambda request, options: "new"), aliases=("me", "myself"))
    assert [hub.chat("x", model=name).text() for name in ("said", "me", "myself", "notebook/said")] == ["new"] * 4
    with pytest.raises(PluginFailed, match="the alias 'me' stands for notebook/said already"):
        hub.plugins.add(Saying(plain, "other"), aliases=("me",))
    with pytest.raises(PluginFailed, match="takes a model instance, got class Saying"):
        hub.plugins.add(Saying)
    assert hub.plugins.remove("notebook/said") and not hub.plugins.remove("notebook/said")
    with pytest.raises(ModelNotFound):
        hub.chat("x", model="said")


def test_a_model_that_went_away(offer: Callable[..., Hub]) -> None:
    """A request that was prepared for a model that is gone says so."""
    hub = offer(plain)
    prepared = hub.prepare("x", model="said")
    hub.plugins.remove("notebook/said")
    with pytest.raises(HubError, match="no plugin offers notebook/said now"):
        hub.run(prepared).text()
