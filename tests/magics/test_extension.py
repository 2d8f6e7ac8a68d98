"""`%load_ext` and `%unload_ext`: what they bring, and that they give back exactly what was there."""

from __future__ import annotations

import os
from collections.abc import Callable

import pytest

from tests.kernel import Kernel

HEAVY = {
    "numpy", "llama_cpp", "httpx", "pydantic", "anywidget", "ipywidgets", "huggingface_hub", "markdown_it", "nh3",
    "jinja2", "sqlite3",
}  # fmt: skip

SNAPSHOT = """
def snapshot():
    shell = get_ipython()
    formatters = [*shell.display_formatter.formatters.values(), shell.display_formatter.ipython_display_formatter]
    return repr((
        {k: sorted((n, getattr(f, '__qualname__', repr(f))) for n, f in v.items())
         for k, v in shell.magics_manager.magics.items()},
        [id(t) for t in shell.input_transformers_cleanup],
        [id(t) for t in shell.input_transformers_post],
        [id(m) for m in shell.Completer.custom_matchers],
        {k: [id(c) for c in v] for k, v in shell.events.callbacks.items()},
        [(id(f), sorted(map(repr, f.type_printers)), sorted(map(repr, f.deferred_printers))) for f in formatters],
        sorted(n for n in vars(shell) if 'modelhub' in n),
    ))
"""


@pytest.fixture
def plain(start_kernel: Callable[..., Kernel]) -> Kernel:
    """A kernel in which modelhub is not loaded."""
    return start_kernel(load=False)


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_loading_imports_nothing_heavy(plain: Kernel) -> None:
    """%load_ext adds none of the heavy packages to what the kernel has, and takes a blink; a dry run adds no engine."""
    plain.run("import sys, time\nbefore = set(sys.modules)")
    plain.run("began = time.perf_counter()\n%load_ext modelhub\ntook = time.perf_counter() - began")
    added = set(eval(plain.value("sorted({m.split('.')[0] for m in set(sys.modules) - before})")))
    assert "modelhub" in added
    assert not added & HEAVY
    assert float(plain.value("took")) < 0.5, "20 ms by itself; the rest is for a machine that is busy"
    plain.run("%%chat --dry-run\nhi")
    added = set(eval(plain.value("sorted({m.split('.')[0] for m in set(sys.modules) - before})")))
    assert not added & {"numpy", "llama_cpp", "httpx", "anywidget", "ipywidgets", "huggingface_hub"}


def test_unloading_gives_back_what_was_there(plain: Kernel) -> None:
    """load → unload leaves every table as it was, also after chats; the worker has ended; load again works."""
    plain.run(SNAPSHOT + "\nbefore = snapshot()")
    assert plain.run("snapshot() == before").text == "True"
    for _ in range(2):
        assert plain.run("%load_ext modelhub").ok
        assert plain.run("snapshot() == before").text == "False"
        assert plain.run("r = %chat -t 0 --max-tokens 2 hi\nr").ok
        assert plain.run("r").outputs
        worker = int(plain.value("__import__('modelhub').hub().status()[0]['pid']"))
        assert alive(worker)
        assert plain.run("%unload_ext modelhub").ok
        assert plain.run("snapshot() == before").text == "True"
        assert not alive(worker)
        assert not plain.run("%chats").ok
        assert not plain.run("%%chat\nhi").ok
    assert plain.run("r").text.startswith("<Response from tiny-chat")


def test_loading_twice_and_reloading(plain: Kernel) -> None:
    """A second %load_ext changes nothing, %reload_ext works, unloading twice is no error."""
    plain.run(SNAPSHOT + "\nbefore = snapshot()")
    plain.run("import modelhub\nshell = get_ipython()")
    for _ in range(2):
        plain.run("modelhub.load_ipython_extension(shell)")
    assert plain.value("len(shell.input_transformers_cleanup)") == plain.value(
        "len({id(t) for t in shell.input_transformers_cleanup})"
    )
    assert plain.run("%reload_ext modelhub").ok
    assert plain.run("%%chat -t 0 --max-tokens 2\nhi").ok
    for _ in range(2):
        assert plain.run("modelhub.unload_ipython_extension(shell)").ok
    assert plain.run("snapshot() == before").text == "True"


OTHER = """
from IPython.core.magic import register_cell_magic
@register_cell_magic
def chat(line, cell):
    print("theirs:", line, cell)
"""


def test_another_extension_keeps_its_magic(plain: Kernel) -> None:
    """Where %%chat is taken, a warning says so, theirs stays, and %%mh and the free %chat are ours."""
    plain.run(OTHER)
    loaded = plain.run("%load_ext modelhub")
    warned = "".join(m["content"]["text"] for m in loaded.of("stream"))
    assert "another extension owns %%chat; it keeps it. Use %%mh" in warned
    assert "owns %chat" not in warned
    assert plain.run("%%chat a line\nbody").stdout.split() == ["theirs:", "a", "line", "body"]
    ran = plain.run("%%mh -t 0 --max-tokens 2\nhi")
    assert "application/vnd.modelhub.chat+json" in ran.outputs[0]
    assert plain.run("%chat -t 0 --max-tokens 2 hi").outputs
    assert plain.run("%unload_ext modelhub").ok
    assert plain.run("%%chat a line\nbody").stdout.startswith("theirs:")
