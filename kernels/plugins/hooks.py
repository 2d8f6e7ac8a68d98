"""The hooks a plugin may implement, and the marker it does so with."""

from __future__ import annotations

from typing import Any

import pluggy

GROUP = "modelhub"  # the entry-point group, and pluggy's project name

hookspec = pluggy.HookspecMarker(GROUP)
hookimpl = pluggy.HookimplMarker(GROUP)
"""Marks a function of a plugin as the implementation of the hook of its name; see `modelhub.kernels.plugins.hooks`."""


class Hooks:
    """Every hook is given a function `register` and calls it for each thing it brings, with instances, not classes.

    Hooks run once, when models are first needed. Later versions may give `register` more keyword arguments.
    """

    @hookspec
    def register_models(self, register: Any) -> None:
        """`register(model, aliases=())`: a `modelhub.Model`, and further names for it."""

    @hookspec
    def register_providers(self, register: Any) -> None:
        """`register(record)`: a dict with a `name` and a `base_url`, and other fields of a provider.

        As of `hub().providers.add`: `dialect` (or the packaged provider it is like), `needs_key`, `key_env`, `headers`,
        `models`, `links`, `title`, …; never a key. It is there as if its user had added it, and can be changed so.
        """

    @hookspec
    def register_importers(self, register: Any) -> None:
        """`register(name, importer)`: `importer(document, headers=True)` reads models' documents for `%models import`.

        It is used for documents whose `import_format`, or whose `--format`, is `name`, and gives an `Imported`; see
        `modelhub.kernels.catalog.importers`.
        """

    @hookspec
    def register_tools(self, register: Any) -> None:
        """`register(function)`: a function with a name and a docstring. Kept and shown; no model calls tools yet."""

    @hookspec
    def register_panels(self, register: Any) -> None:
        """`register(name, factory)`: something to display; `modelhub.hub().plugins.panel(name)` calls the factory."""

    @hookspec
    def register_magics(self, register: Any) -> None:
        """`register(name, function)`: `%name` and `%%name`, called with the line and the cell's text or None.

        They are there once plugins are loaded. A magic that is to be there from `%load_ext` on is declared in the
        entry-point group `modelhub.magics` instead, as `name = "module:function"`.
        """


NAMES = tuple(sorted(name for name in vars(Hooks) if name.startswith("register_")))
