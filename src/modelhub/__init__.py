"""modelhub: a workbench for language models inside a notebook.

`%load_ext modelhub` in a notebook; in Python, `modelhub.chat("…")` and `modelhub.hub()`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from modelhub.kernels.hub import Hub
    from modelhub.kernels.plugins.hooks import hookimpl
    from modelhub.kernels.protocol.model import Model
    from modelhub.kernels.protocol.options import Options
    from modelhub.kernels.response import Response
    from modelhub.nbext.distribution import Bars

__all__ = [
    "Model",
    "Options",
    "achat",
    "bars",
    "chat",
    "hookimpl",
    "hub",
    "load_ipython_extension",
    "unload_ipython_extension",
]

_LATER = {  # what plugins are made of, imported when it is asked for
    "Model": "modelhub.kernels.protocol.model",
    "Options": "modelhub.kernels.protocol.options",
    "hookimpl": "modelhub.kernels.plugins.hooks",
}


def __getattr__(name: str) -> Any:
    if name not in _LATER:
        raise AttributeError(f"module 'modelhub' has no attribute {name!r}")
    import importlib

    return getattr(importlib.import_module(_LATER[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *_LATER})


def hub() -> Hub:
    """The one hub of this kernel: its models, engines and conversations."""
    from modelhub.kernels.hub import hub as the_hub

    return the_hub()


def chat(prompt: Any, *, model: str | None = None, **options: Any) -> Response:
    """Ask a model; the response fills as the answer comes. See `Hub.chat`."""
    return hub().chat(prompt, model=model, **options)


async def achat(prompt: Any, *, model: str | None = None, **options: Any) -> Response:
    """As `chat`, and wait for the end of the answer. See `Hub.achat`."""
    return await hub().achat(prompt, model=model, **options)


def bars(*responses: Response, token: int = 0) -> Bars:
    """One token's probabilities before and after the samplers, as bars. See `nbext.distribution.bars`."""
    from modelhub.nbext.distribution import bars as of

    return of(*responses, token=token)


def load_ipython_extension(shell: Any) -> None:
    """`%load_ext modelhub`: the magics, their completion and the display of answers."""
    from modelhub.magics.extension import load

    load(shell)


def unload_ipython_extension(shell: Any) -> None:
    """`%unload_ext modelhub`: everything as it was before."""
    from modelhub.magics.extension import unload

    unload(shell)
