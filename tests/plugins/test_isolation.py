"""Plugins as they are installed: one that is broken is reported in a line, and harms nothing else."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from modelhub.kernels.plugins.installed import Plugins
from modelhub.kernels.plugins.plugin import Plugin
from tests.plugins.packages import install, sayer

Installed = Callable[..., Plugins]


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Installed:
    """Installs packages, by name and code, beside a sound one, and gives the plugins there are then."""
    folder = tmp_path / "site"

    def of(seconds: float | None = None, **packages: str) -> Plugins:
        install(folder, "sound", sayer('register(Sayer("sound"), aliases=("fine",))'))
        for name, code in packages.items():
            install(folder, name, code)
        monkeypatch.syspath_prepend(folder)
        monkeypatch.setenv("MODELHUB_PLUGINS", ",".join(["sound", *packages]))
        for name in ["sound", *packages]:
            monkeypatch.delitem(sys.modules, f"plug_{name}", raising=False)
        return Plugins(seconds)

    return of


def problems(plugins: Plugins, name: str) -> str:
    return "\n".join(plugin(plugins, name).problems)


def plugin(plugins: Plugins, name: str) -> Plugin:
    return next(p for p in plugins.plugins() if p.name == name)


BROKEN = {
    "an import that fails": ("import no_such_module_at_all", "ModuleNotFoundError: No module named"),
    "code that is none": ("def (", "SyntaxError"),
    "an exit on import": ("import sys; sys.exit(3)", "SystemExit: 3"),
    "a hook that raises": (
        sayer('raise ValueError("out of\\nbounds")'),
        "register_models: ValueError: out of bounds",
    ),
    "a hook that exits": (sayer("raise SystemExit"), "register_models: SystemExit"),
    "a class": (sayer("register(Sayer)"), "register() takes a model instance, got class Sayer"),
    "something else": (sayer('register("a model")'), "register() takes a modelhub.Model instance, got 'a model'"),
    "an id with a blank": (sayer('register(Sayer("a b"))'), "Sayer has 'a b'"),
    "an id that climbs": (sayer('register(Sayer("a/../b"))'), "Sayer has 'a/../b'"),
    "no id": (sayer('register(Sayer(""))'), "the id of a model is letters, digits"),
    "one alias as text": (sayer('register(Sayer("x"), aliases="short")'), "aliases is a list of names, as ('short',)"),
    "a model twice": (sayer('register(Sayer("x"))\nregister(Sayer("x"))'), "broken/x was registered twice"),
    "no model at all": (sayer("register()"), "register() was called wrongly: missing a required argument"),
    "a provider of ours": (
        sayer('m = Sayer("x")\nm.provider = "local"\nregister(m)'),
        "and not 'local'; x has 'local'",
    ),
    "an option of every request": (
        sayer('class M(Sayer):\n    class Options(modelhub.Options):\n        n: int = 1\nregister(M("x"))'),
        "x: an option cannot be called 'n'",
    ),
    "options of another kind": (
        sayer('class M(Sayer):\n    class Options:\n        pass\nregister(M("x"))'),
        "x: its Options must derive from modelhub.Options",
    ),
    "a hook there is none of": (
        "import modelhub\n@modelhub.hookimpl\ndef register_model(register): pass",
        "there is no hook 'register_model'. Did you mean 'register_models'",
    ),
    "a hook with other arguments": (
        "import modelhub\n@modelhub.hookimpl\ndef register_models(register, more): pass",
        "more",
    ),
    "no hooks": ("x = 1", "it has no hooks; there are register_importers"),
    "a tool that is none": (
        "import modelhub\n@modelhub.hookimpl\ndef register_tools(register): register('hammer')",
        "register_tools: register() takes a function with a name; got 'hammer'",
    ),
}


@pytest.mark.parametrize("what", BROKEN)
def test_a_broken_plugin_is_one_line(installed: Installed, what: str) -> None:
    """Whatever is wrong with a plugin stands in one line of its own, and the model of its neighbour is there."""
    code, said = BROKEN[what]
    plugins = installed(broken=code)
    lines = plugin(plugins, "broken").problems
    assert len(lines) == 1 and said in lines[0] and "\n" not in lines[0], lines
    assert [o.name for o in plugins.offers() if o.plugin == "sound"] == ["sound/sound"]
    assert plugin(plugins, "sound").problems == []


def test_what_is_sound_of_a_broken_plugin_stays(installed: Installed) -> None:
    """One model that cannot be taken does not take the others of its plugin with it."""
    plugins = installed(half=sayer('register(Sayer("one"))\nregister(Sayer)\nregister(Sayer("two"))'))
    assert [o.name for o in plugins.offers() if o.plugin == "half"] == ["half/one", "half/two"]


def test_an_import_that_hangs_is_left(installed: Installed) -> None:
    """A plugin that hangs is waited for a while, reported and left; those behind it are loaded."""
    code = "import threading\nthreading.Event().wait(30)\n"
    plugins = installed(0.2, hangs=code)
    assert [o.name for o in plugins.offers()] == ["sound/sound"]
    assert "it was not there after 0.2 seconds and goes on loading" in problems(plugins, "hangs")
    assert plugin(plugins, "hangs").state == "loading"


def test_a_plugin_that_comes_late_is_taken(installed: Installed, monkeypatch: pytest.MonkeyPatch) -> None:
    """A plugin that was only slow is there at the next look, and nothing is said against it any more."""
    import builtins
    import threading

    gate = threading.Event()
    monkeypatch.setattr(builtins, "gate_of_the_slow_plugin", gate, raising=False)
    code = "import builtins\nassert builtins.gate_of_the_slow_plugin.wait(30)\n" + dedented(
        sayer('register(Sayer("slow"))')
    )
    plugins = installed(0.2, slow=code)
    assert "slow/slow" not in [o.name for o in plugins.offers()]
    gate.set()
    assert plugin(plugins, "slow").done.wait(30)
    assert "slow/slow" in [o.name for o in plugins.offers()]
    assert plugin(plugins, "slow").problems == [] and plugin(plugins, "slow").state == "loaded"


def test_tab_does_not_wait_for_plugins(installed: Installed) -> None:
    """Asked not to wait, the plugins say what is there by now, and go on loading."""
    plugins = installed(30.0, hangs="import threading\nthreading.Event().wait(30)\n")
    assert all(o.name == "sound/sound" for o in plugins.offers(wait=False))
    assert [p.name for p in plugins.plugins(wait=False) if p.state != "off"] == ["hangs", "sound"]
    assert [p.state for p in plugins.plugins(wait=False) if p.name == "hangs"] == ["loading"]


def test_two_plugins_with_one_model(installed: Installed) -> None:
    """Of two models of one name the first stays, and the second plugin is told whose it is; so with aliases."""
    second = sayer('m = Sayer("sound")\nm.provider = "sound"\nregister(m)\nregister(Sayer("other"), aliases=("fine",))')
    plugins = installed(thief=second)
    assert plugins.offer("sound/sound").plugin == "sound"
    assert "the model sound/sound is sound's already" in problems(plugins, "thief")
    assert "the alias 'fine' stands for sound/sound already" in problems(plugins, "thief")
    assert plugins.aliases() == {"fine": "sound/sound"}


def test_a_plugin_that_is_installed_twice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two entry points of one module are one plugin, and the other is said to be it."""
    entries = {"one": "plug_pair", "two": "plug_pair"}
    install(tmp_path / "site", "pair", sayer('register(Sayer("x"))'), entries)
    monkeypatch.syspath_prepend(tmp_path / "site")
    monkeypatch.setenv("MODELHUB_PLUGINS", "modelhub-pair")
    plugins = Plugins()
    assert [o.name for o in plugins.offers()] == ["one/x"]
    assert problems(plugins, "two") == "it is the plugin one registered once more; only that one counts"


@pytest.mark.parametrize(
    ("said", "there"), [("off", []), ("sound", ["sound/sound"]), ("modelhub-sound", ["sound/sound"]), ("other", [])]
)
def test_plugins_can_be_left_out(
    installed: Installed, monkeypatch: pytest.MonkeyPatch, said: str, there: list[str]
) -> None:
    """MODELHUB_PLUGINS leaves out all plugins, or all but those it names; what is left out is not imported."""
    plugins = installed()
    monkeypatch.setenv("MODELHUB_PLUGINS", said)
    assert [o.name for o in plugins.offers()] == there
    assert ("plug_sound" in sys.modules) == bool(there)
    assert plugin(plugins, "sound").state == ("loaded" if there else "off")


def test_every_hook(installed: Installed) -> None:
    """Providers, importers, tools, panels and magics are kept by name; a panel is made when it is asked for."""
    code = """
        import modelhub

        def hammer(nail: str) -> str:
            "Hits."

        @modelhub.hookimpl
        def register_providers(register):
            register({"name": "corp", "base_url": "http://127.0.0.1:9/v1"})

        @modelhub.hookimpl
        def register_importers(register):
            register("corp-format", lambda document, path: [])

        @modelhub.hookimpl
        def register_tools(register):
            register(hammer)

        @modelhub.hookimpl
        def register_panels(register):
            register("clock", lambda: "12:00")

        @modelhub.hookimpl
        def register_magics(register):
            register("shout", lambda line, cell: line.upper())
    """
    plugins = installed(every=code)
    kinds = ("providers", "importers", "tools", "panels", "magics")
    assert [list(plugins.things(kind)) for kind in kinds] == [
        ["corp"], ["corp-format"], ["hammer"], ["clock"], ["shout"],
    ]  # fmt: skip
    assert plugins.panel("clock") == "12:00"
    assert problems(plugins, "every") == ""


def dedented(code: str) -> str:
    from textwrap import dedent

    return dedent(code)
