"""Models that Simon Willison's `llm` has, where that is installed: its own, and those its plugins bring.

Each appears as `llm/MODEL`, with llm's aliases, and is asked through llm's Python API (https://llm.datasette.io). Its
keys and its folder are llm's own affair. Listed are the models that need no key and those whose key is there; every
other one answers to its name all the same, with what llm says about the key. Tools, schemas and attachments are not
passed on. llm 0.32 or newer, which is told the whole conversation as messages.
"""

from __future__ import annotations

import functools
import inspect
import itertools
import os
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from typing import Any, ClassVar

from modelhub.errors import BadRequest, PluginFailed
from modelhub.kernels.plugins.hooks import hookimpl
from modelhub.kernels.protocol.messages import text_of
from modelhub.kernels.protocol.model import RESERVED, Item, Model, Reasoning, Usage
from modelhub.kernels.protocol.options import Options
from modelhub.kernels.protocol.request import ChatRequest, Message

NAME = "llm"
ROLES = {"system": "system", "developer": "system", "user": "user", "assistant": "assistant"}


class Bridged(Model):
    """One model of llm."""

    provider = NAME

    def __init__(self, theirs: Any) -> None:
        """theirs: an `llm.Model` or `llm.AsyncModel`."""
        self.theirs = theirs
        self.id = theirs.model_id
        self.description = "by way of llm"
        self.can_stream = bool(theirs.can_stream)
        self.attachment_types = frozenset(theirs.attachment_types or ())
        self.needs_key, self.key_env_var = theirs.needs_key, theirs.key_env_var
        vars(self)["Options"] = _options(theirs.Options)  # one class here has models with different options

    def execute(self, request: ChatRequest, options: Any) -> Iterator[Item] | AsyncIterator[Item]:
        """Ask llm; its text and its reasoning as they come, and the usage it tells."""
        response = self._response(request.messages, options.model_dump(exclude_unset=True, exclude_none=True))
        return _collect_async(response) if hasattr(response, "astream_events") else _collect(response)

    def _response(self, messages: Sequence[Message], options: dict[str, Any]) -> Any:
        """llm's response, of which nothing has been read.

        Plugins of llm look for a conversation in one of two ways: newer ones in the prompt's messages, older ones in
        the responses of a conversation. They find the same in both.
        """
        llm = _llm()
        theirs = self.theirs
        plain = [(_role(message), text_of(message)) for message in messages]
        system = "\n\n".join(text for role, text in plain if role == "system") or None
        spoken = [(role, text) for role, text in plain if role != "system"]
        chain = [getattr(llm, role)(text) for role, text in ([("system", system)] if system else []) + spoken]
        kind = llm.AsyncResponse if isinstance(theirs, llm.AsyncModel | llm.AsyncKeyModel) else llm.Response
        conversation = theirs.conversation()
        for (role, text), (after, answer) in itertools.pairwise(spoken):
            if (role, after) == ("user", "assistant"):
                earlier = kind(llm.Prompt(text, model=theirs, system=system), theirs, False)
                earlier._done, earlier._chunks = True, [answer]  # as llm's own AsyncResponse.fake does
                conversation.responses.append(earlier)
        asked = spoken[-1][1] if spoken and spoken[-1][0] == "user" else None
        prompt = llm.Prompt(asked, model=theirs, system=system, messages=chain, options=theirs.Options(**options))
        return kind(prompt, theirs, self.can_stream, conversation=conversation)


@hookimpl
def register_models(register: Callable[..., None]) -> None:
    """Offer every model of llm."""
    llm = _llm()
    if "messages" not in inspect.signature(llm.Prompt).parameters:
        raise PluginFailed("llm 0.32 or newer is needed: pip install -U llm, then restart the kernel")
    has_key = _Keys()
    for one in llm.get_models_with_aliases():
        register(Bridged(one.model), sorted(one.aliases), listed=functools.partial(has_key, one.model))


def _llm() -> Any:
    import llm

    return llm


class _Keys:
    """Whether llm has the key of a model; what is in its file is read again when the file changes."""

    def __init__(self) -> None:
        self._known: dict[Any, bool] = {}

    def __call__(self, theirs: Any) -> bool:
        llm = _llm()
        if theirs.needs_key is None or theirs.key is not None:
            return True
        try:
            changed = (llm.user_dir() / "keys.json").stat().st_mtime_ns
        except OSError:
            changed = 0
        variable = theirs.key_env_var
        about = (theirs.needs_key, variable, bool(variable and os.environ.get(variable)), changed)
        if about not in self._known:
            self._known[about] = bool(llm.get_key(alias=theirs.needs_key, env=variable))
        return self._known[about]


def _options(theirs: Any) -> Any:
    """llm's options of a model as ours; those called as what every request has are left at their defaults."""
    hidden = dict.fromkeys(RESERVED & set(theirs.model_fields))
    marks = dict.fromkeys(hidden, ClassVar[Any])
    return type("Options", (Options, theirs), {"__annotations__": marks, "__module__": __name__, **hidden})


def _role(message: Message) -> str:
    role = ROLES.get(message.role)
    if role is None or message.tool_calls:
        raise BadRequest("llm's models are told text only, and the conversation has a tool call; begin a new one "
                         "with --new", param="messages")  # fmt: skip
    return role


def _collect(response: Any) -> Iterator[Item]:
    for event in response.stream_events():
        yield from _items(event)
    yield from _usage(response.input_tokens, response.output_tokens)


async def _collect_async(response: Any) -> AsyncIterator[Item]:
    async for event in response.astream_events():
        for item in _items(event):
            yield item
    for item in _usage(response.input_tokens, response.output_tokens):
        yield item


def _items(event: Any) -> Iterator[Item]:
    if event.type == "text":
        yield event.chunk
    elif event.type == "reasoning" and event.chunk:
        yield Reasoning(event.chunk)


def _usage(prompt: int | None, completion: int | None) -> Iterator[Item]:
    if prompt is not None and completion is not None:
        yield Usage(prompt, completion)
