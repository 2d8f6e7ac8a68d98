"""The two ways a chat runs: as an async cell where it can, as a plain magic everywhere else."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.kernel import Kernel, Ran, streamed_text

ASK = "-t 0 --max-tokens 2"
STORY = "--seed 1 --max-tokens 900 -o logit_bias='{\"2\": -100}'\nTell me a long story."
MIME = "application/vnd.modelhub.chat+json"


def answered(ran: Ran) -> str:
    """The text of the one answer a cell shows."""
    assert ran.ok, ran.error
    (output,) = ran.outputs
    assert MIME in output
    return str(output["text/plain"])


def began(ran: Ran) -> bool:
    return len(streamed_text(ran)) > 60


def test_the_kernels_loop_runs_while_an_answer_comes(room: Kernel) -> None:
    """A task begun before %%chat goes on while it streams, and stands still during a plain %chat."""
    room.run(
        "import asyncio\nticks = 0\nasync def tick():\n    global ticks\n    while True:\n"
        "        ticks += 1\n        await asyncio.sleep(0.005)\ntask = asyncio.create_task(tick())"
    )
    room.run("begin = ticks")
    assert room.run(f"%%chat --max-tokens 300 {STORY.replace('--max-tokens 900 ', '')}").ok
    assert int(room.value("ticks - begin")) > 10
    ran = room.run(f"begin = ticks\nr = %chat {ASK} hi\nprint(ticks - begin)")
    assert ran.stdout.strip() == "0"
    room.run("task.cancel()")


@pytest.mark.parametrize(
    "code",
    [
        f"%%time\n%%chat {ASK}\nhi",
        f"%%capture kept\n%%chat {ASK}\nhi\n",
        f"get_ipython().run_cell_magic('chat', '{ASK}', 'hi')",
        f"ran = get_ipython().run_cell('%%chat {ASK}\\nhi')",
        f"ran = get_ipython().run_cell('x = 1')\nget_ipython().run_cell_magic('time', '', '%%chat {ASK}\\nhi')",
        f"def ask():\n    %chat {ASK} hi\nask()",
        f"\n\n   \n%%chat {ASK}\nhi",
        f"   %%chat   {ASK}   \nhi\n",
        f"%%chat {ASK}\n# not a comment?\n!no_command\n%no_magic\nhi?",
        f"%chat {ASK} 'hi' $HOME {{x}}",
    ],
)
def test_every_way_to_run_it(room: Kernel, code: str) -> None:
    """Inside %%time, run_cell_magic, functions, other cells, after blank lines: one answer each."""
    if code.startswith("%%capture"):
        assert room.run(code).ok
        assert MIME in room.value("[d for o in kept.outputs for d in o.data]")
        return
    answered(room.run(code))


def test_the_text_is_the_same_both_ways(room: Kernel) -> None:
    """Async cell, plain magic and line magic send the same text, with $, braces, quotes and backslashes."""
    text = r"""a $HOME {x} 'q" \n \\ %d ? """
    for code in (
        f"%%chat --dry-run\n{text}",
        f"%%time\n%%chat --dry-run\n{text}",
        f"%chat --dry-run {text.strip()}",
    ):
        request = json.loads(room.run(code).text)
        assert request["messages"][0]["content"].strip() == text.strip()


@pytest.mark.parametrize("code", ["%%chat?", "%chat?", "?%%chat", "%mh?", "%models?", "%chats?"])
def test_help(room: Kernel, code: str) -> None:
    """A question mark behind the name of a magic shows its documentation."""
    ran = room.run(code)
    assert ran.ok
    (page,) = ran.reply["payload"]
    wanted = {"models": "%models load MODEL", "chats": "%chats undo"}.get(code.strip("%?"), "--temperature T")
    assert wanted in page["data"]["text/plain"]


@pytest.mark.parametrize("before", ["", "%%time\n"], ids=["async", "sync"])
def test_an_interrupt_ends_it_fast(room: Kernel, before: str) -> None:
    """Stop is heard at once, keeps what came in the cell, in Out and in --set, and says so in one line."""
    ran = room.run(f"{before}%%chat --set kept {STORY}", interrupt=began)
    assert ran.reply["status"] == "error"
    assert ran.error.startswith("Stopped: the answer was stopped")
    assert "\n" not in ran.error
    assert ran.interrupted_after is not None
    assert ran.interrupted_after < 2, "seconds; 0.15 by itself"
    partial = ran.outputs[-1]["text/plain"]
    assert streamed_text(ran)[:60] == partial[:60]
    assert room.value("kept") == repr(partial)
    assert room.value(f"Out[{ran.reply['execution_count']}].interrupted") == "True"
    assert " · stopped" in ran.outputs[-1]["text/html"]
    assert answered(room.run(f"%%chat {ASK} --new\nhi"))


def test_an_interrupt_of_a_loop_of_chats_ends_the_loop(room: Kernel) -> None:
    """Stop in a cell with several chats ends the cell, not only the answer; `except Exception` does not swallow it."""
    code = (
        "for i in range(5):\n    try:\n        get_ipython().run_cell_magic('chat', {!r}, {!r})\n"
        "    except Exception:\n        pass"
    )
    ran = room.run(code.format(*STORY.split("\n")), interrupt=began)
    assert ran.error.startswith("Stopped: ")
    assert len(ran.outputs) == 1


@pytest.mark.parametrize("before", ["", "%%time\n"], ids=["async", "sync"])
def test_cells_that_wait_are_aborted(room: Kernel, before: str) -> None:
    """After an interrupt the next cell of Run All does not run."""
    room.run("ran = False")
    client = room.client
    first = client.execute(f"{before}%%chat {STORY}")
    second = client.execute("ran = True")
    came = Ran()
    while not began(came):
        came.messages.append(client.get_iopub_msg(timeout=30))
    room.manager.interrupt_kernel()
    status: dict[str, str] = {}
    while not {first, second} <= status.keys():
        reply = client.get_shell_msg(timeout=30)
        status[reply["parent_header"]["msg_id"]] = reply["content"]["status"]
    assert status[first] == "error"
    assert status[second] == "aborted"
    assert room.value("ran") == "False"


def test_a_terminal(tmp_path: Path) -> None:
    """In a plain terminal shell there is no transformer; the answer is printed, once, with its quiet line."""
    script = tmp_path / "session.ipy"
    script.write_text(
        "%load_ext modelhub\n"
        "shell = get_ipython()\n"
        "print('transformers', [t for t in shell.input_transformers_cleanup if 'modelhub' in type(t).__module__])\n"
        f"r = shell.run_cell('%%chat {ASK}\\nhi').result\n"
        "print('text', repr(r.text()))\n"
        "print('await', shell.check_complete('%%chat\\nhi'))\n"
        "print('ok', shell.run_cell('%chat --nosuch').success)\n"
    )
    done = subprocess.run(
        [sys.executable, "-m", "IPython", "--no-banner", "--colors=NoColor", str(script)],
        capture_output=True,
        text=True,
        timeout=90,
        env={**os.environ, "IPYTHONDIR": str(tmp_path / "ipython")},
    )
    lines = done.stdout.splitlines()
    assert "transformers []" in lines, done.stderr
    text = eval(next(line for line in lines if line.startswith("text ")).removeprefix("text "))
    assert lines.count(text) == 1
    assert f"Out[0]: <Response from tiny-chat, length: {text!r}>" in lines
    quiet = lines[lines.index(text) + 1]
    assert quiet.startswith("(tiny-chat · 2 tokens · ")
    assert "await ('incomplete', " in done.stdout
    assert "BadRequest: %chat has no flag --nosuch." in done.stdout
    assert "ok False" in lines
