"""For the tests of plugins: `check_model(model)`, what every model that works in modelhub does.

    from modelhub.testing import check_model

    def test_my_model():
        check_model(MyModel())

Each check asks the model a short question or two, through the engine that modelhub itself uses.
"""

from __future__ import annotations

import asyncio
import contextlib
import io
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from modelhub.errors import BadRequest, HubError, PluginFailed
from modelhub.kernels import background
from modelhub.kernels.catalog.plugin_models import card_of
from modelhub.kernels.engines.plugin import PluginEngine
from modelhub.kernels.plugins.brought import offered
from modelhub.kernels.protocol.events import Delta, Ended
from modelhub.kernels.protocol.model import Model, options_in, split_options
from modelhub.kernels.protocol.options import option_rows
from modelhub.kernels.protocol.request import ChatRequest

LONG = 20_000  # characters of the long question
AT_ONCE = 4  # answers at the same time
UNICODE = "Zażółć gęślą jaźń — 你好, שלום, 👩🏽‍🚀, e\u0301, \u202eabc\u202c, \x00"


@dataclass(slots=True)
class Report:
    """What was checked. checked: a line a check. notes: what is no fault and could be better. seconds: it took."""

    model: str
    checked: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    seconds: float = 0.0

    def __str__(self) -> str:
        lines = [f"{self.model}: {len(self.checked)} checks in {self.seconds:.1f} s"]
        return "\n".join([*lines, *(f"  ok    {c}" for c in self.checked), *(f"  note  {n}" for n in self.notes)])


def check_model(
    model: Model, *, prompt: str = "Say something.", options: Mapping[str, Any] | None = None, seconds: float = 60.0
) -> Report:
    """Check that a model does what modelhub and its users count on; what was checked, as a report.

    prompt: the question most checks ask. options: values of its options, for a model that must be given some.
    seconds: the longest that one answer may take.

    Raises AssertionError, one line that says what was expected and what came.
    """
    began = time.monotonic()
    check = _Check(model, prompt, dict(options or {}), seconds)
    for step in (check.names, check.options, check.answers, check.prompts, check.stops, check.again):
        step()
    check.report.seconds = time.monotonic() - began
    return check.report


class _Check:
    def __init__(self, model: Model, prompt: str, options: dict[str, Any], seconds: float) -> None:
        self.model, self.prompt, self.given, self.seconds = model, prompt, options, seconds
        self.name = getattr(model, "id", None) or type(model).__name__
        self.report = Report(str(self.name))

    # -- the checks --------------------------------------------------------------------------------------------------

    def names(self) -> None:
        """It can be registered."""
        try:
            self.offer = offered(self.model, type(self.model).__module__.partition(".")[0].strip("_") or "plugin")
        except PluginFailed as problem:
            self.fail(f"it cannot be registered: {problem}")
        self.ok("it can be registered")

    def options(self) -> None:
        """Its options refuse what they do not know, and their defaults are sound."""
        model = self.model
        unknown = {**self.given, "no_such_option": 1}
        try:
            model.validate_options(unknown)
        except BadRequest as refused:
            if "no_such_option" not in str(refused):
                self.fail(f"its Options should refuse an unknown option by its name; they say {refused}")
        if _accepts(model, unknown):
            self.fail("its Options accept an option that they do not have: derive them from modelhub.Options, and "
                      "leave extra='forbid' as it is")  # fmt: skip
        try:
            found = options_in(model, self.request(self.prompt))
        except BadRequest as refused:
            self.fail(f"its Options refuse their own defaults: {refused}; pass check_model(model, options={{...}}) "
                      "if some must be given")  # fmt: skip
        for name in type(found).model_fields:
            value = getattr(found, name)
            try:
                again = model.validate_options({**self.given, name: value})
            except BadRequest as refused:
                self.fail(f"its Options refuse the value they gave themselves: {refused}")
            if getattr(again, name) != value:
                self.fail(f"option {name} changes when it is read again: {value!r} became {getattr(again, name)!r}")
        self.ok("its options refuse what they do not know")
        bare = [row["option"] for row in option_rows(model.Options) if not row["description"]]
        if bare:
            self.report.notes.append(f"options without a description: {', '.join(bare)}")
        if not model.description:
            self.report.notes.append("it has no description")

    def answers(self) -> None:
        """It answers in text, silently, and closes what it opened."""
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(printed):
            answer = self.ask("a question", self.request(self.prompt))
        if printed.getvalue():
            self.fail(f"it printed {printed.getvalue()[:60]!r} while it answered: yield text, or use logging")
        if not answer.text:
            self.fail(f"it gave no text as an answer to {self.prompt!r}")
        if not answer.closed:
            self.fail("its generator was not closed at the end")
        if len(answer.pieces) == 1 and self.model.can_stream:
            self.report.notes.append("it gave its answer in one piece, and says that it can stream")
        self.ok("it answers in text, and prints nothing")

    def prompts(self) -> None:
        """It survives prompts of every kind."""
        turns = [
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": "One."},
            {"role": "assistant", "content": "Two."},
            {"role": "user", "content": [{"type": "text", "text": "Three"}, {"type": "text", "text": "?"}]},
        ]
        for what, content, may_refuse in (
            ("an empty question", "", True),
            ("a question of one blank", " ", True),
            (f"a question of {LONG:,} characters", ("word " * LONG)[:LONG], True),
            ("a question in many scripts", UNICODE, False),
            ("a conversation of several turns", turns, False),
        ):
            try:
                self.ask(what, self.request(content))
            except HubError as refused:
                if isinstance(refused, PluginFailed) or not may_refuse:
                    self.fail(f"{what} is no reason to fail, and it did: {refused}")
        self.ok("it survives prompts that are empty, long, in many scripts, and of several turns")

    def stops(self) -> None:
        """It lets itself be stopped between two pieces."""
        answer = self.ask("a question that is stopped", self.request(self.prompt), stop_after=1)
        if not answer.closed:
            self.fail(f"it was stopped after one piece, and its generator was not closed in {self.seconds:g} seconds: "
                      "yield more often, and let GeneratorExit or CancelledError pass")  # fmt: skip
        self.ok("it stops when it is told")

    def again(self) -> None:
        """It can be asked again, and several times at once."""
        self.ask("the question once more", self.request(self.prompt))
        found: list[BaseException] = []

        def ask(number: int) -> None:
            try:
                if not self.ask(f"question {number} of {AT_ONCE} at once", self.request(self.prompt)).text:
                    self.fail(f"asked {AT_ONCE} times at once it gave no text")
            except BaseException as error:
                found.append(error)

        threads = [threading.Thread(target=ask, args=(n + 1,)) for n in range(AT_ONCE)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        if found:
            raise found[0] if isinstance(found[0], AssertionError) else AssertionError(f"{self.name}: {found[0]}")
        self.ok(f"it can be asked again, and {AT_ONCE} times at once")

    # -- asking ------------------------------------------------------------------------------------------------------

    def request(self, content: Any) -> ChatRequest:
        messages = content if isinstance(content, list) and "role" in content[0] else [
            {"role": "user", "content": content}
        ]  # fmt: skip
        return ChatRequest.make(model=self.name, messages=messages, **split_options(self.model, self.given))

    def ask(self, what: str, request: ChatRequest, stop_after: int | None = None) -> _Answer:
        watched = _Watched(self.model)
        engine = PluginEngine(card_of(self.offer), watched)
        pieces: list[str] = []
        ended: list[Ended] = []

        async def run() -> None:
            async with contextlib.aclosing(engine.chat(request)) as events:
                async for event in events:
                    if isinstance(event, Delta):
                        pieces.append(event.text)
                    elif isinstance(event, Ended):
                        ended.append(event)
                    if stop_after is not None and len(pieces) >= stop_after:
                        return

        try:
            background.wait(asyncio.wait_for(run(), self.seconds))
        except TimeoutError:
            self.fail(f"{what} was not answered in {self.seconds:g} seconds")
        except PluginFailed as failed:
            self.fail(f"{what}: {failed}")
        if stop_after is None and not ended:
            self.fail(f"{what}: the answer had no end")
        return _Answer(pieces, watched.closed.wait(self.seconds))

    def ok(self, what: str) -> None:
        self.report.checked.append(what)

    def fail(self, what: str) -> Any:
        raise AssertionError(f"{self.name}: {what}") from None


@dataclass(frozen=True, slots=True)
class _Answer:
    pieces: list[str]
    closed: bool

    @property
    def text(self) -> str:
        return "".join(self.pieces)


class _Watched(Model):
    """A model as it is, and whether what its `execute` gave was closed."""

    def __init__(self, of: Model) -> None:
        self._of = of
        self.closed = threading.Event()
        vars(self)["Options"] = of.Options
        self.id = of.id

    def validate_options(self, given: Any) -> Any:
        return self._of.validate_options(given)

    def execute(self, request: ChatRequest, options: Any) -> Any:
        try:
            found = self._of.execute(request, options)
        except BaseException:
            self.closed.set()
            raise
        if hasattr(found, "__aiter__"):
            return self._async(found)
        return found if isinstance(found, str) or hasattr(found, "__await__") else self._plain(iter(found))

    def _plain(self, found: Iterator[Any]) -> Iterator[Any]:
        try:
            yield from found
        finally:
            _close(getattr(found, "close", None))
            self.closed.set()

    async def _async(self, found: Any) -> Any:
        try:
            async for item in found:
                yield item
        finally:
            if close := getattr(found, "aclose", None):
                await close()
            self.closed.set()


def _accepts(model: Model, given: Mapping[str, Any]) -> bool:
    try:
        model.Options(**given)
    except ValueError:  # pydantic's
        return False
    return True


def _close(close: Callable[[], Any] | None) -> None:
    if close is not None:
        close()
