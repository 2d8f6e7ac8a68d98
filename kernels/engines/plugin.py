"""The engine of models that plugins bring: it runs the plugin's own code, away from modelhub's loop."""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import threading
from collections.abc import AsyncGenerator, Callable, Iterable
from typing import Any

from modelhub.errors import HubError, PluginFailed
from modelhub.kernels import plugins
from modelhub.kernels.catalog.card import ModelCard
from modelhub.kernels.engines.elsewhere import Elsewhere
from modelhub.kernels.protocol.events import Delta, Ended, Event, Progress, Reasoned, Started, Warned
from modelhub.kernels.protocol.model import Finish, Model, Reasoning, Usage, options_in
from modelhub.kernels.protocol.request import ChatRequest, short

FINISH = ("stop", "length", "content_filter", "tool_calls", "function_call")  # OpenAI's finish reasons
AHEAD = 64  # items a plugin may be ahead of who reads them


class PluginEngine(Elsewhere):
    """Runs requests for one model of a plugin. Nothing is loaded: the model runs elsewhere, or sees to itself."""

    kind = "plugin"

    def __init__(self, card: ModelCard, model: Model | None = None) -> None:
        """An engine for `card`. model: default, the one that plugins offer under the card's name."""
        super().__init__(card)
        self._model = model

    async def chat(self, request: ChatRequest) -> AsyncGenerator[Event]:
        """Run one request; see `Engine.chat`. Raises PluginFailed for what the plugin raises or yields wrongly."""
        model = self._model or plugins.registry().offer(self.card.name).model
        options = options_in(model, request)
        yield Started(
            {
                "engine": self.kind,
                "plugin": self._whose(),
                "request_parameters": options.model_dump(mode="json"),
                "counts_tokens": False,
            }
        )
        usage: dict[str, Any] = {}
        finish = "stop"
        run = _Run(lambda: model.execute(request, options))
        try:
            async for item in run.items():
                if isinstance(item, str):
                    if item:
                        yield Delta(0, whole(item), tokens=0)
                elif isinstance(item, Usage):
                    usage = _usage(item)
                elif isinstance(item, Finish):
                    finish = item.reason
                elif isinstance(item, Reasoning):
                    yield Reasoned(0, whole(item.text))
                elif isinstance(item, Warned | Progress):
                    yield item
                else:
                    raise self._failed(f"execute yielded {short(item)}; it must yield text, self.Usage, self.Finish "
                                       "or self.Reasoning")  # fmt: skip
        except HubError:
            raise
        except Exception as error:
            raise self._failed(_said(error)) from error
        finally:
            run.stop()
        if finish not in FINISH:
            raise self._failed(f"execute yielded the finish reason {short(finish)}; there are {', '.join(FINISH)}")
        yield Ended((finish,), (0,), usage)

    def _where(self) -> str:
        return f"{self.card.id} runs in the plugin {self._whose()}"

    def _whose(self) -> str:
        return self.card.source.removeprefix("plugin ")

    def _failed(self, what: str) -> PluginFailed:
        return PluginFailed(f"{self.card.name} failed in the plugin {self._whose()}: {what}", plugin=self._whose())


class _End:
    """What stands behind the last item: the error that ended it, if one did."""

    def __init__(self, error: BaseException | None) -> None:
        self.error = error


class _Run:
    """One run of `execute`: a plain generator in a thread of its own, an async one on the loop plugins share.

    A plugin that blocks holds up neither modelhub's loop nor, being plain, anything else; where it does not come back
    when it is stopped, its daemon thread is left.
    """

    def __init__(self, execute: Callable[[], Any]) -> None:
        self._execute = execute
        self._stopped = threading.Event()
        self._room = threading.Semaphore(AHEAD)
        self._queue: asyncio.Queue[Any] = asyncio.Queue()
        self._loop = asyncio.get_running_loop()
        self._task: Any = None

    async def items(self) -> AsyncGenerator[Any]:
        threading.Thread(target=self._run, name="modelhub plugin's answer", daemon=True).start()
        while True:
            item = await self._queue.get()
            self._room.release()
            if isinstance(item, _End):
                if item.error is not None:
                    raise item.error
                return
            yield item

    def stop(self) -> None:
        """Ask it to end: between two items, or at its next await."""
        self._stopped.set()
        self._room.release()
        if self._task is not None:
            self._task.cancel()

    def _run(self) -> None:
        error: BaseException | None = None
        try:
            found = self._execute()
            if isinstance(found, str):
                found = [found]
            if inspect.isawaitable(found) or hasattr(found, "__aiter__"):
                self._task = asyncio.run_coroutine_threadsafe(self._read_async(found), _shared_loop())
                if self._stopped.is_set():
                    self._task.cancel()
                self._task.result()
            else:
                self._read(found)
        except BaseException as raised:  # SystemExit too
            error = raised if isinstance(raised, Exception) else RuntimeError(_said(raised))
            if isinstance(raised, StopIteration):
                error = RuntimeError("StopIteration")
        self._give(_End(error))  # without waiting for room: where it was stopped, nobody makes any more

    def _read(self, found: Iterable[Any]) -> None:
        items = iter(found)
        try:
            for item in items:
                if not self._put(item):
                    break
        finally:
            close = getattr(items, "close", None)
            if close is not None:
                close()

    async def _read_async(self, found: Any) -> None:
        if inspect.isawaitable(found):
            found = await found
            if not hasattr(found, "__aiter__"):
                for item in [found] if isinstance(found, str) else found:
                    self._give(item)
                return
        try:
            async for item in found:
                while not self._room.acquire(blocking=False):
                    await asyncio.sleep(0.005)
                self._give(item)
        finally:
            close = getattr(found, "aclose", None)
            if close is not None:
                await close()

    def _put(self, item: Any) -> bool:
        """Hand an item over; whether more are wanted."""
        self._room.acquire()
        if self._stopped.is_set():
            return False
        self._give(item)
        return not self._stopped.is_set()

    def _give(self, item: Any) -> None:
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody reads any more
            self._loop.call_soon_threadsafe(self._queue.put_nowait, item)


_plugins_loop: asyncio.AbstractEventLoop | None = None
_plugins_lock = threading.Lock()


def _shared_loop() -> asyncio.AbstractEventLoop:
    """The loop on which async plugins run, in a thread of its own: one that blocks it holds up no other answer."""
    global _plugins_loop
    with _plugins_lock:
        if _plugins_loop is None:
            _plugins_loop = asyncio.new_event_loop()
            threading.Thread(target=_forever, args=(_plugins_loop,), name="modelhub plugins' loop", daemon=True).start()
        return _plugins_loop


def _forever(loop: asyncio.AbstractEventLoop) -> None:
    """Run the loop, also when a plugin raises SystemExit or KeyboardInterrupt, with which asyncio ends a loop."""
    while True:
        with contextlib.suppress(BaseException):  # it is the task's error as well, and told there
            loop.run_forever()


def whole(text: str) -> str:
    """Text in which half characters (lone surrogates, which no file can hold) are U+FFFD."""
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text


def _usage(usage: Usage) -> dict[str, Any]:
    prompt, completion = usage.prompt_tokens, usage.completion_tokens
    if not all(type(n) is int and n >= 0 for n in (prompt, completion)):
        raise ValueError(f"Usage takes whole numbers from 0; got {short(prompt)} and {short(completion)}")
    return {"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": prompt + completion}


def _said(error: BaseException) -> str:
    try:
        text = " ".join(str(error).split())
    except Exception:
        text = ""
    return f"{type(error).__name__}: {text}" if text else type(error).__name__
