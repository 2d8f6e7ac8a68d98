"""Dialogues with tools: which are listed, how they are called, and what is said about their results."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from tiny_model import styles, syllabus, tasks
from tiny_model.exchanges import Exchange, Picker
from tiny_model.facts import cut
from tiny_model.tasks import Task

Message = dict[str, Any]
Rough = Callable[[str, random.Random], str]


def describe(task: Task) -> dict[str, Any]:
    """Return the tool of `task` as the JSON object of the chat-completions interface."""
    properties = {key: {"type": kind} for key, kind in task.parameters.items()}
    schema = {"type": "object", "properties": properties, "required": list(task.parameters)}
    function = {"name": task.name, "description": task.about, "parameters": schema}
    return {"type": "function", "function": function}


def result_text(result: Any) -> str:
    """Return the content of the tool message: JSON, but a string as it is."""
    return result if isinstance(result, str) else json.dumps(result)


def call_message(task: Task) -> Message:
    """Return the assistant's message that calls the tool of `task`."""
    function = {"name": task.name, "arguments": task.arguments}
    return {"role": "assistant", "content": "", "tool_calls": [{"type": "function", "function": function}]}


def offers(rng: random.Random) -> list[Task]:
    """Draw one to three tools, each with a task."""
    makers = rng.sample(list(tasks.MAKERS), rng.choice([1, 2, 3]))
    return [replace(maker(rng, False), maker=maker) for maker in makers]


def dialogue(rng: random.Random, rough: Rough) -> tuple[str, list[Message], list[dict[str, Any]]]:
    """Return family, messages and tools of a dialogue in which tools are listed."""
    offered = offers(rng)
    listed = [describe(task) for task in offered]
    messages: list[Message] = []
    if rng.random() < 0.3:
        messages.append({"role": "system", "content": styles.prompt(rng, "plain")})
    p = Picker(rng)
    made = 0
    while made < 1 or (rng.random() < 0.5 and made < 6):
        made += 1
        if rng.random() < 0.24:
            exchange = _untooled(p, offered)
            messages += [
                {"role": "user", "content": rough(exchange.question, rng)},
                {"role": "assistant", "content": exchange.answer},
            ]
            continue
        number = rng.randrange(len(offered))
        task = offered[number]
        messages += [
            {"role": "user", "content": rough(task.question, rng)},
            *(fail(task, rng) if rng.random() < 0.05 else succeed(task)),
        ]
        offered[number] = again(task, rng)
    return "tools", messages, listed


def succeed(task: Task) -> list[Message]:
    """Return the call, the result and the answer for `task`."""
    return [
        call_message(task),
        {"role": "tool", "content": result_text(task.result)},
        {"role": "assistant", "content": task.answer},
    ]


def fail(task: Task, rng: random.Random) -> list[Message]:
    """Return the call, an error and what is said about it."""
    fault = rng.choice(["not found", "no connection", "timeout"])
    return [
        call_message(task),
        {"role": "tool", "content": json.dumps({"error": fault})},
        {"role": "assistant", "content": f"The tool failed: {fault}."},
    ]


def again(task: Task, rng: random.Random) -> Task:
    """Return another task for the same tool."""
    assert task.maker is not None
    return replace(task.maker(rng, False), maker=task.maker)


def _untooled(p: Picker, offered: list[Task]) -> Exchange:
    """Draw something that none of the tools is for."""
    sums = any(task.name.startswith(("calc", "comp", "eval", "add", "mult", "sub")) for task in offered)
    while True:
        exchange = syllabus.any_exchange(p)
        if exchange.family in {"long story", "echo"} or (sums and exchange.family == "sum"):
            continue
        if exchange.family == "refusal" and any(
            word in exchange.question.lower()
            for word in cut("weather,time,date,day,+,*,-,times,price,cost,how,what is", ",")
        ):
            continue
        return exchange
