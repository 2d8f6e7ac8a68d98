"""The user's options for a model: request and load parameters it has by default, kept in the home."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from modelhub.errors import BadRequest, HubError, did_you_mean
from modelhub.kernels import settings
from modelhub.kernels.catalog import plugin_models
from modelhub.kernels.catalog.card import ModelCard
from modelhub.kernels.json_file import JsonFile
from modelhub.kernels.protocol.load_params import LOAD_NAMES, load_params
from modelhub.kernels.protocol.merging import defaults, normal, over
from modelhub.kernels.protocol.request import ChatRequest, Extension

PARTS = ("request", "load")
NESTS = ("x_modelhub", "model_options")  # fields that hold others
Held = dict[str, dict[str, Any]]


class ModelOptions:
    """`{model: {"request": {...}, "load": {...}}}`, read anew when another kernel changes it.

    Names of `x_modelhub` stand inside it; a value of None sets back what the model's card says.
    """

    def __init__(self) -> None:
        """Nothing is read yet."""
        self._file = JsonFile(lambda: settings.home() / "model_options.json")

    def all(self) -> dict[str, Held]:
        """Every model that has options, with those that are sound; the others are lines in `problems`."""
        found = {model: self._sound(held) for model, held in sorted(self._file.read().items())}
        return {model: held for model, held in found.items() if not isinstance(held, str)}

    @property
    def problems(self) -> list[str]:
        """What is wrong with the file, in one line each."""
        read = self._file.read()
        if self._file.problem:
            return [self._file.problem]
        wrong = {model: self._sound(held) for model, held in sorted(read.items())}
        start = f"{self._file.path}: the options of"
        return [f"{start} {model} are not used: {held}" for model, held in wrong.items() if isinstance(held, str)]

    def of(self, card: ModelCard) -> Held:
        """The options of one model: its request and load parameters; none where they are not sound."""
        held = self._sound(self._file.read().get(key(card), {}))
        return {"request": {}, "load": {}} if isinstance(held, str) else held

    def set(self, card: ModelCard, given: Mapping[str, Any]) -> Held:
        """Set options of a model; all it has then. Raises BadRequest for what no request and no loading accepts."""
        options = self.of(card)
        loads = {LOAD_NAMES[n] or n: v for n, v in given.items() if n in LOAD_NAMES}
        fields = defaults(fields_for(card, {n: v for n, v in given.items() if n not in LOAD_NAMES}))
        options["load"] |= loads
        load_params(**{k: v for k, v in options["load"].items() if v is not None})
        options["request"] = over(options["request"], fields)
        self._write(card, options)
        return options

    def remove(self, card: ModelCard, name: str | None = None) -> Held:
        """Forget one option of a model, or all of them; those left. Raises BadRequest when it is not set."""
        options = self.of(card)
        if name is None:
            options = {"request": {}, "load": {}}
        else:
            extension = options["request"].get("x_modelhub", {})
            parts = (options["load"], options["request"], extension, extension.get("model_options") or {})
            held = next((part for part in parts if name in part and name not in NESTS), None)
            if held is None:
                known = [n for part in parts for n in part if n not in NESTS]
                has = f"it has {', '.join(known)}" if known else "it has none"
                raise BadRequest(
                    f"{card.id} has no option {name!r} of yours;{did_you_mean(name, known)} {has}", param=name
                )
            del held[name]
            options["request"] = _without_empty(options["request"])
        self._write(card, options)
        return options

    def _sound(self, held: Any) -> Held | str:
        """Options as they are used, or what is wrong with them."""
        if not isinstance(held, dict) or not all(isinstance(held.get(part, {}), dict) for part in PARTS):
            return "an object with `request` and `load` is expected"
        try:
            load = held.get("load", {})
            load_params(**{k: v for k, v in load.items() if v is not None})
            return {"request": defaults(held.get("request", {})), "load": load}
        except HubError as error:
            return str(error)

    def _write(self, card: ModelCard, options: Held) -> None:
        kept = {part: options[part] for part in PARTS if options[part]}

        def edit(everything: dict[str, Any]) -> None:
            everything.pop(key(card), None)
            if kept:
                everything[key(card)] = kept

        self._file.change(edit)


def fields_for(card: ModelCard, given: Mapping[str, Any]) -> dict[str, Any]:
    """What was said for a model, in the normal form of a request's fields; None, which sets back, is kept.

    The own options of a plugin's model go into `x_modelhub.model_options`. Raises BadRequest for unknown names.
    """
    fields = plugin_models.split_options(card, {k: v for k, v in given.items() if v is not None})
    back = [k for k, v in given.items() if v is None]
    if card.engine == "plugin":
        own = {row["option"] for row in plugin_models.option_rows(card)}
        own -= ChatRequest.model_fields.keys() | Extension.model_fields.keys()
        if gone := [name for name in back if name in own]:
            extension = dict(fields.get("x_modelhub") or {})
            extension["model_options"] = {**(extension.get("model_options") or {}), **dict.fromkeys(gone)}
            fields["x_modelhub"] = extension
            back = [name for name in back if name not in gone]
    return normal({**fields, **dict.fromkeys(back)})


def _without_empty(request: Mapping[str, Any]) -> dict[str, Any]:
    """Without nests that hold nothing any more."""
    found = {k: _without_empty(v) if k in NESTS and isinstance(v, dict) else v for k, v in request.items()}
    return {k: v for k, v in found.items() if k not in NESTS or v}


def key(card: ModelCard) -> str:
    """What a model is known by in files of ours: its path where it was asked by its path, else its full name."""
    return card.path if card.source == "file" and card.path else card.name
