"""Bad input in a real kernel: one line, a failed cell, a kernel that lives, variables that stand."""

from __future__ import annotations

import pytest

from tests.kernel import Kernel

BAD = [
    "%%chat",
    "%%chat\n   \n\t\n",
    "%%chat -t 0\n",
    "%chat",
    "%chat -t 0",
    "%%chat --nosuch\nhi",
    "%%chat -q hi\nhi",
    "%%chat -t\nhi",
    "%%chat -t hot\nhi",
    "%%chat -t nan\nhi",
    "%%chat -t inf\nhi",
    "%%chat -t 1e999\nhi",
    "%%chat -t 3\nhi",
    "%%chat -t -1\nhi",
    "%%chat --top-p 1.01\nhi",
    "%%chat --min-p -0.1\nhi",
    "%%chat --top-k -1\nhi",
    "%%chat --top-k 1.5\nhi",
    "%%chat --top-k 99999999999999999999999\nhi",
    "%%chat --max-tokens 0\nhi",
    "%%chat --max-tokens -5\nhi",
    "%%chat --seed 1e3\nhi",
    "%%chat --seed 9223372036854775808\nhi",
    f"%%chat --seed {'9' * 5000}\nhi",
    "%%chat --stop=\nhi",
    "%%chat --logprobs 21\nhi",
    "%%chat --logprobs=-1\nhi",
    "%%chat -s 'open\nhi",
    "%%chat -m nosuch\nhi",
    "%%chat -m ''\nhi",
    "%%chat -m /no/such/file.gguf\nhi",
    "%%chat -m .\nhi",
    "%%chat --format xml\nhi",
    "%%chat --set 5x\nhi",
    "%%chat --set a.b\nhi",
    "%%chat --set class\nhi",
    "%%chat --set ''\nhi",
    "%%chat -o temperature\nhi",
    "%%chat -o =5\nhi",
    "%%chat -o nosuch=5\nhi",
    "%%chat -o temperature=NaN\nhi",
    "%%chat -o temperature=hot\nhi",
    "%%chat -t 0 -o temperature=1\nhi",
    "%%chat -o seed=1 -o seed=2\nhi",
    "%%chat -o n=0\nhi",
    "%%chat -o n_ctx=512\nhi",
    "%%chat -o tools='[]'\nhi",
    "%%chat -o top_logprobs=3\nhi",
    f"%%chat -o n={'[' * 100_000}1\nhi",
    "%%chat -o model=x\nhi",
    "%%chat -o system=x\nhi",
    "%%chat -o messages=[]\nhi",
    "%%chat -o conversation=x\nhi",
    "%%chat -o self=x\nhi",
    "%%chat -o cell=x\nhi",
    "%%chat -o warnings=x\nhi",
    "%%chat -o prompt=x\nhi",
    "%%chat -o x_modelhub=5\nhi",
    "%%chat\n{{no_such_variable}}",
    "%%chat\n{{In[9999]}}",
    "%%chat -s {{no_such_variable}}\nhi",
    "%%chat\n" + "many words " * 3000,
    "half = '\\ud800'\n%chat {{half}}",
    "%time %chat --nosuch",
    "%%time\n%%chat --nosuch\nhi",
    "get_ipython().run_cell_magic('chat', '--format xml', 'hi')",
    "%models nosuch",
    "%models load",
    "%models load nosuch",
    "%models load tiny-chat -c -5",
    "%models load tiny-chat --nosuch 3",
    "%models load tiny-chat --threads many",
    "%models load tiny-chat --batch 99999999999",
    "%models show",
    "%models show nosuch",
    "%models unload nosuch",
    "%models default nosuch",
    "%models list --state more",
    "%models ps more",
    "%chats nosuch",
    "%chats show nosuch",
]


@pytest.mark.parametrize("code", BAD, ids=lambda code: ascii(code[:48]))
def test_bad_input_is_one_line(room: Kernel, code: str) -> None:
    """The cell fails with one readable line, changes no variable and leaves the kernel alive."""
    room.run("kept = 'mine'")
    names = "sorted(n for n in globals() if not n.startswith('_') and n != 'half')"
    before = room.value(names)
    ran = room.run(code)
    assert ran.reply["status"] == "error"
    (shown,) = (m["content"] for m in ran.of("error"))
    (line,) = shown["traceback"]
    assert "\n" not in line
    assert line.startswith(f"{shown['ename']}: ")
    assert len(line) < 600
    assert room.value("kept") == "'mine'"
    assert room.value(names) == before


def test_no_worker_was_lost(room: Kernel) -> None:
    """After all of these an answer comes as before."""
    for code in ("%%chat -t 9\nhi", "%%chat -m nosuch\nhi", "%%chat\n" + "many words " * 3000):
        assert not room.run(code).ok
    assert room.run("%%chat -t 0 --max-tokens 2\nhi").ok


def test_a_failed_cell_leaves_its_variable_and_its_output(room: Kernel) -> None:
    """A request that fails in the engine does not touch the variable of --set."""
    room.run("kept = 'mine'")
    ran = room.run("%%chat --set kept\n" + "many words " * 3000)
    assert ran.error.startswith("ContextTooLong: ")
    assert room.value("kept") == "'mine'"
