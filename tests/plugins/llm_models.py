"""A plugin of `llm` with models of every kind that the bridge has to deal with; no network, no keys."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import Any

import llm
from pydantic import Field, field_validator


class Echo(llm.Model):
    """Says what it was told, as newer plugins find it: in the prompt's messages."""

    model_id = "echo"
    can_stream = True

    class Options(llm.Options):
        temperature: float | None = Field(None, ge=0, le=1, description="how loud")
        tags: str | list[str] | None = None

        @field_validator("tags", mode="before")
        @classmethod
        def upper(cls, tags: Any) -> Any:
            return tags.upper() if isinstance(tags, str) else tags

    def execute(self, prompt: Any, stream: bool, response: Any, conversation: Any) -> Iterator[str]:
        for message in prompt.messages:
            yield f"{message.role}:{''.join(part.text for part in message.parts)}|"
        yield f"{prompt.options.temperature},{prompt.options.tags},{stream}"


class Legacy(llm.Model):
    """Says what it was told, as older plugins find it: in the responses of the conversation."""

    model_id = "legacy"
    can_stream = False

    def execute(self, prompt: Any, stream: bool, response: Any, conversation: Any) -> Iterator[str]:
        for earlier in conversation.responses if conversation else []:
            yield f"{earlier.prompt.prompt}>{earlier.text()}|"
        yield f"{prompt.system}|{prompt.prompt}|{stream}"


class Locked(llm.KeyModel):
    """Needs a key."""

    model_id = "locked"
    needs_key = "nowhere"
    key_env_var = "NOWHERE_KEY"

    def execute(self, prompt: Any, stream: bool, response: Any, conversation: Any, key: str | None) -> Iterator[str]:
        yield f"opened with {len(key or '')} characters"


class Thinker(llm.Model):
    """Thinks aloud and counts its tokens."""

    model_id = "thinker"
    can_stream = True

    def execute(self, prompt: Any, stream: bool, response: Any, conversation: Any) -> Iterator[Any]:
        yield llm.parts.StreamEvent(type="reasoning", chunk="hm")
        yield llm.parts.StreamEvent(type="text", chunk="so")
        response.set_usage(input=5, output=2)


class Later(llm.AsyncModel):
    """Has no synchronous twin."""

    model_id = "later"
    can_stream = True

    async def execute(self, prompt: Any, stream: bool, response: Any, conversation: Any) -> AsyncIterator[str]:
        for message in prompt.messages:
            yield f"{message.role}:{message.parts[0].text}|"


class Crowded(llm.Model):
    """Has options with names of what every request has."""

    model_id = "crowded"

    class Options(llm.Options):
        n: int = 3
        logprobs: int | None = None
        width: int = 2

    def execute(self, prompt: Any, stream: bool, response: Any, conversation: Any) -> Iterator[str]:
        yield f"{prompt.options.n} {prompt.options.width}"


class Broken(llm.Model):
    """Fails after a while."""

    model_id = "broken"

    def execute(self, prompt: Any, stream: bool, response: Any, conversation: Any) -> Iterator[str]:
        yield "so far"
        raise llm.ModelError("the line\nwent dead")


@llm.hookimpl
def register_models(register: Any) -> None:
    register(Echo(), aliases=("ekko",))
    register(Legacy())
    register(Locked())
    register(Thinker())
    register(Later())
    register(Crowded())
    register(Broken())
