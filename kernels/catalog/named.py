"""What a name stands for: a model, and the settings that go with the name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from modelhub.kernels.catalog.card import ModelCard
from modelhub.kernels.protocol.merging import Layer


@dataclass(frozen=True, slots=True)
class Named:
    """What a name stands for.

    asked: the name as it was asked. card: the model. load, request, system: what the card, the user's options for the
    model and the preset say, merged in this order; `request` are fields of a request, deep in `x_modelhub`.
    layers: the same fields apart, lowest first, each with who says them. preset: the preset's name, if it is one.
    note: said once below the answer, as when the quantisation was chosen. warnings: what of the settings is of no use.
    """

    asked: str
    card: ModelCard
    load: Mapping[str, Any] = field(default_factory=dict)
    request: Mapping[str, Any] = field(default_factory=dict)
    system: str | None = None
    preset: str | None = None
    note: str = ""
    layers: tuple[Layer, ...] = ()
    warnings: tuple[str, ...] = ()
