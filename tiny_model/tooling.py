"""Dialogues with tools: which are listed, how they are called, and what is said about their results."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from tiny_model import styles, syllabus, tasks, unknowns
from tiny_model.exchanges import Exchange, Picker
from tiny_model.facts import cut
from tiny_model.tasks import Maker, Task

Message = dict[str, Any]
Rough = Callable[[str, random.Random], str]


#: Parameters that a call may leave out, and does.
_OPTIONAL = cut("unit units language format lang")


def describe(task: Task, rng: random.Random) -> dict[str, Any]:
    """Return the tool of `task` as the JSON object of the chat-completions interface."""
    properties = {}
    for key, kind in task.parameters.items():
        properties[key] = {"type": kind}
        if rng.random() < 0.15:
            properties[key]["description"] = f"The {key}."
    schema: dict[str, Any] = {"type": "object", "properties": properties}
    if rng.random() < 0.75:
        schema["required"] = list(task.parameters)
        if rng.random() < 0.12:
            properties[rng.choice(_OPTIONAL)] = {"type": "string"}
    return {
        "type": "function",
        "function": {"name": task.name, "description": task.about, "parameters": schema},
    }


def result_text(result: Any) -> str:
    """Return the content of the tool message: JSON, but a string as it is."""
    return result if isinstance(result, str) else json.dumps(result)


def call_message(task: Task) -> Message:
    """Return the assistant's message that calls the tool of `task`."""
    function = {"name": task.name, "arguments": task.arguments}
    return {"role": "assistant", "content": "", "tool_calls": [{"type": "function", "function": function}]}


def offers(rng: random.Random) -> list[Task]:
    """Draw one to four tools of different kinds, each with a task."""
    makers: list[Maker] = []
    for maker in rng.choices(list(tasks.MAKERS), list(tasks.MAKERS.values()), k=rng.choice([1, 1, 2, 2, 3, 4])):
        if maker not in makers and not {maker, *makers} >= {tasks.calculator, tasks.two_numbers}:
            makers.append(maker)
    return [replace(maker(rng, False), maker=maker) for maker in makers]


def dialogue(rng: random.Random, rough: Rough) -> tuple[str, list[Message], list[dict[str, Any]]]:
    """Return family, messages and tools of a dialogue in which tools are listed."""
    offered = offers(rng)
    tools = [describe(task, rng) for task in offered]
    if rng.random() < 0.5:
        tools = json.loads(json.dumps(tools, sort_keys=True))
    listed = [*tools]
    rng.shuffle(listed)
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
    fault = rng.choice(["not found", "no connection", "unknown city", "timeout", unknowns.phrase(rng).lower()])
    content = rng.choice([f"error: {fault}", json.dumps({"error": fault})])
    return [
        call_message(task),
        {"role": "tool", "content": content},
        {"role": "assistant", "content": f"The tool failed: {fault}."},
    ]


def again(task: Task, rng: random.Random) -> Task:
    """Return another task for the same tool, with its name and keys."""
    for _ in range(80 if task.maker else 0):
        other = task.maker(rng, False)
        if other.name == task.name and list(other.parameters) == list(task.parameters):
            return replace(other, about=task.about, maker=task.maker)
    values = [value for value in task.arguments.values() if isinstance(value, str)]
    if not values:
        return task
    old, new = values[0], unknowns.invented(rng)
    arguments = {key: new if value == old else value for key, value in task.arguments.items()}
    result = json.loads(json.dumps(task.result).replace(json.dumps(old), json.dumps(new)))
    return replace(task, arguments=arguments, result=result, question=task.question.replace(old, new),
                   answer=task.answer.replace(old, new))  # fmt: skip


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
