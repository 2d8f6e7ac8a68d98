"""`general.sampling.*` of a GGUF: how its makers say it should be asked, by our names."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

HINT = "general.sampling."
FIELDS = {"temp": "temperature", "top_p": "top_p"}  # of the request itself; gguf-py, constants.py, Keys.General
EXTENSION = {  # of x_modelhub
    "top_k": "top_k",
    "min_p": "min_p",
    "xtc_probability": "xtc_probability",
    "xtc_threshold": "xtc_threshold",
    "penalty_last_n": "repeat_last_n",
    "penalty_repeat": "repeat_penalty",
    "mirostat": "mirostat",
    "mirostat_tau": "mirostat_tau",
    "mirostat_eta": "mirostat_eta",
}
WHOLE = {"top_k", "repeat_last_n", "mirostat"}


def request_of(metadata: Mapping[str, Any]) -> dict[str, Any]:
    """Fields of a request that the file recommends; those that no request can have are left out."""
    fields = {ours: found for name, ours in FIELDS.items() if (found := _valid(ours, metadata.get(HINT + name)))}
    deep = {ours: found for name, ours in EXTENSION.items() if (found := _valid(ours, metadata.get(HINT + name)))}
    made = {name: found[0] for name, found in fields.items()}
    if deep:
        made["x_modelhub"] = {name: found[0] for name, found in deep.items()}
    return made


def _valid(name: str, value: Any) -> tuple[Any] | None:
    """The value in a tuple, for 0 is one, where a request takes it."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return None
    from modelhub.errors import BadRequest
    from modelhub.kernels.protocol.request import ChatRequest

    # The file holds 32-bit numbers: 0.7 comes out as 0.699999988.
    value = int(value) if name in WHOLE and value == int(value) else float(f"{value:.6g}")
    try:
        ChatRequest.make(model="-", messages=[{"role": "user", "content": "-"}], **{name: value})
    except BadRequest:
        return None
    return (value,)
