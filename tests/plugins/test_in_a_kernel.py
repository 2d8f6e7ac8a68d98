"""Plugins in a real kernel: the example of the repository through its own entry point, and packages beside it."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.kernel import Kernel
from tests.plugins.packages import install, on_path, sayer

SHIP = "A ship is safe in harbour, but that is not what a ship is for."


@pytest.fixture(scope="module")
def parrots(tmp_path_factory: pytest.TempPathFactory) -> Kernel:
    """A kernel with modelhub loaded, in which the example plugin may be found."""
    try:
        importlib.metadata.version("modelhub-parrot")
    except importlib.metadata.PackageNotFoundError:
        pytest.fail("the example plugin is not installed: pip install ./examples/modelhub-parrot")
    home = tmp_path_factory.mktemp("home")
    kernel = Kernel({"MODELHUB_HOME": str(home), "MODELHUB_PLUGINS": "parrot"})
    assert kernel.run("%load_ext modelhub").ok
    return kernel


@pytest.fixture(scope="module", autouse=True)
def ended(parrots: Kernel) -> object:
    yield
    parrots.stop()


def test_nothing_is_imported_before_it_is_needed(parrots: Kernel) -> None:
    """Neither `%load_ext` nor a question to the packaged model imports a plugin, or what plugins are made with."""
    unwanted = "[m for m in ('modelhub_parrot', 'pluggy', 'llm') if m in sys.modules]"
    parrots.run("import sys")
    assert parrots.value(unwanted) == "[]"
    for model in ("", "-m tiny-chat", "-m local/tiny-chat"):
        assert parrots.run(f"%%chat {model} --max-tokens 2\nHello").ok
    assert parrots.value(unwanted) == "[]"


def test_the_parrot_answers(parrots: Kernel) -> None:
    """A plugin's model answers in a cell by its name, its alias and its full name, with its options."""
    for name in ("parrot", "polly", "parrot/parrot"):
        ran = parrots.run(f"%%chat --new -m {name} -o words=8 -o seed=1\n{SHIP}")
        assert ran.ok, ran.error
        assert ran.text == "A ship is not what a ship is"
        assert "cut at its limit" in ran.outputs[-1]["text/html"] and "token" not in ran.outputs[-1]["text/html"]


def test_it_goes_on_with_a_conversation(parrots: Kernel) -> None:
    """It hears what was said before."""
    parrots.run(f"%%chat --chat birds --new -m parrot -o words=1\n{SHIP}")
    ran = parrots.run("%%chat --chat birds -m parrot -o words=100 -o seed=3\nship")
    assert ran.ok and ran.text.startswith("A ship")


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        ("-o wrods=3", "'wrods'. Did you mean 'words' or 'roles'? The model's own options are words, seed"),
        ("-o words=0", "parrot: option words: should be a whole number, 1 to 1000; got 0"),
        ("-o words=many", "parrot: option words: should be a whole number, 1 to 1000; got 'many'"),
        ("-t 0.3", "temperature=0.3 is not supported by parrot: its options are words, seed"),
        ("-o words=3 -o words=4", "words was given twice"),
    ],
)
def test_a_wrong_option_is_one_line(parrots: Kernel, flags: str, said: str) -> None:
    """A misspelt option, a wrong value and a field it has no option for are one line each, and nothing is asked."""
    ran = parrots.run(f"%%chat --new -m parrot {flags}\n{SHIP}")
    assert said in ran.error and "\n" not in ran.error.strip() and not ran.outputs


def test_it_is_listed(parrots: Kernel) -> None:
    """`%models` and `%models plugins` show it, `show --params` its options, and Tab its names."""
    parrots.run("t = %models")
    assert parrots.value("[t[-1][k] for k in ('name', 'provider', 'state')]") == "['parrot', 'parrot', 'remote']"
    table = parrots.run("%models plugins").text
    assert "parrot" in table and "loaded" in table and "models" in table
    assert "parrot/parrot  polly" in parrots.run("%models plugins parrot").text
    assert "Did you mean 'parrot'" in parrots.run("%models plugins parot").error
    params = " ".join(parrots.run("%models show parrot --params").text.split())
    assert "words honoured a whole number, 1 to 1000, default 20, the most words it says" in params
    assert "parrot" in parrots.complete("%%chat -m par") and "polly" in parrots.complete("%%chat -m pol")
    assert parrots.complete("%models plugins pa") == ["parrot"]


def test_broken_ones_beside_it(start_kernel: Callable[..., Kernel], tmp_path: Path) -> None:
    """A plugin that cannot be imported, one that ends the process and one that hangs leave cells and models alone."""
    site = tmp_path / "site"
    install(site, "torn", "import no_such_module_at_all")
    install(site, "exits", "import os, sys\nsys.exit('over')")
    install(site, "hangs", "import threading\nthreading.Event().wait()")
    install(site, "good", sayer('register(Sayer("good"))'))
    kernel = start_kernel(
        PYTHONPATH=on_path(site), MODELHUB_PLUGINS="torn,exits,hangs,good", MODELHUB_PLUGIN_SECONDS="0.5"
    )
    ran = kernel.run("%%chat -m good\nHello")
    assert ran.ok and ran.text == "hellothere"
    table = kernel.run("%models plugins").text
    assert "torn: ModuleNotFoundError: No module named 'no_such_module_at_all'" in table
    assert "exits: SystemExit: over" in table
    assert "hangs: it was not there after 0.5 seconds and goes on loading" in table
    assert kernel.run("%models").ok and "tiny-chat" in kernel.complete("%%chat -m tiny")


def test_waiting_for_plugins_can_be_stopped(start_kernel: Callable[..., Kernel], tmp_path: Path) -> None:
    """An interrupt ends the wait for a plugin that hangs, with a line that says what to do."""
    install(tmp_path / "site", "hangs", "import threading\nprint('hangs now', flush=True)\nthreading.Event().wait()")
    kernel = start_kernel(
        PYTHONPATH=on_path(tmp_path / "site"), MODELHUB_PLUGINS="hangs", MODELHUB_PLUGIN_SECONDS="600"
    )
    ran = kernel.run("%models", interrupt=lambda ran: "hangs now" in ran.stdout)
    assert "Stopped: waiting for plugins was stopped; still loading: hangs." in ran.error
    assert kernel.run("%%chat --max-tokens 1\nHello").ok


MAGICS = """
    import modelhub

    def whisper(line, cell=None):
        "Whispers."
        return (line + "|" + (cell or "")).lower()

    def fails(line, cell=None):
        raise RuntimeError("no voice")

    @modelhub.hookimpl
    def register_magics(register):
        register("shout", lambda line, cell: (line + "|" + (cell or "")).upper())
        register("chat", lambda line, cell: "stolen")
        register("time", lambda line, cell: "stolen")
"""


def test_magics_of_plugins(start_kernel: Callable[..., Kernel], tmp_path: Path) -> None:
    """Declared in metadata they are there from the first, by a hook once plugins are loaded; no name is taken."""
    declared = {"whisper": "plug_loud:whisper", "lost": "plug_loud:nothing", "models": "plug_loud:whisper"}
    install(tmp_path / "site", "loud", MAGICS, magics=declared)
    kernel = start_kernel(PYTHONPATH=on_path(tmp_path / "site"), MODELHUB_PLUGINS="loud,modelhub-loud")
    kernel.run("import sys")
    assert kernel.value("'plug_loud' in sys.modules") == "False"
    assert kernel.run("%whisper HELLO").text == "'hello|'"
    assert kernel.run("%%whisper A\nB").text == "'a|b\\n'"
    assert (
        "PluginFailed: the magic lost of modelhub-loud cannot be imported: AttributeError" in kernel.run("%lost").error
    )
    assert not kernel.run("%shout x").ok
    assert "tiny-chat" in kernel.run("%models").text
    assert kernel.run("%shout hello").text == "'HELLO|'"
    assert "stolen" not in kernel.run("%time 1").text + kernel.run("%models list").text
    assert "loud: its magic %time is left out: there is one of this name already" in kernel.run("%models plugins").text
    assert kernel.run("%unload_ext modelhub").ok
    assert not kernel.run("%shout x").ok and not kernel.run("%whisper x").ok


IMPORTER = """
    import modelhub
    from modelhub.kernels.catalog.card import ModelCard
    from modelhub.kernels.catalog.importers import Imported

    def corp(document, headers=True):
        return Imported(cards=[ModelCard(id=document.data["called"], provider="corp", engine="http", state="remote")])

    @modelhub.hookimpl
    def register_importers(register):
        register("corp-format", corp)
"""


def test_an_importer_of_a_plugin(start_kernel: Callable[..., Kernel], tmp_path: Path) -> None:
    """A document in a format that a plugin knows is imported by it, by `--format` or by what the document says."""
    install(tmp_path / "site", "corp", IMPORTER)
    kernel = start_kernel(PYTHONPATH=on_path(tmp_path / "site"), MODELHUB_PLUGINS="corp")
    for name, document, flag in (
        ("one", '{"called": "one"}', " --format corp-format"),
        ("two", '{"called": "two", "import_format": "corp_format"}', ""),
    ):
        (tmp_path / f"{name}.json").write_text(document)
        ran = kernel.run(f"%models import {tmp_path / name}.json{flag}")
        assert ran.ok and name in ran.text, ran.error
    ran = kernel.run(f"%models import {tmp_path / 'one'}.json --format corp-fromat")
    assert "Did you mean 'corp_format'" in ran.error
