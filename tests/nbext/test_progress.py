"""The bar of what takes long, in a real kernel."""

from __future__ import annotations

from collections.abc import Callable

from tests.kernel import Kernel

Start = Callable[..., Kernel]

# Told as often as a loading model tells it, for longer than what is quick.
LONG = """
import time
from modelhub.magics.models.progress import QUICK, progress
with progress("loading a <model>") as show:
    begun = time.monotonic()
    while (gone := (time.monotonic() - begun) / (2 * QUICK)) < 1:
        show(gone)
        time.sleep(0.02)
"""
QUICK = LONG.replace("(2 * QUICK)", "(QUICK / 3)")


def test_what_takes_long_has_a_bar_that_is_gone_at_the_end(start_kernel: Start) -> None:
    """A bar says what is done and how far it is; nothing of it is left to be seen."""
    ran = start_kernel().run(LONG)
    assert ran.ok, ran.error
    (first,) = ran.of("display_data")
    assert "<progress" in first["content"]["data"]["text/html"]
    assert "loading a &lt;model&gt;: " in first["content"]["data"]["text/html"]
    assert ran.outputs == [{"text/plain": ""}] and ran.stdout == ""


def test_what_is_quick_has_none(start_kernel: Start) -> None:
    """What ends at once leaves no output but its own: loading the packaged model gives its table alone."""
    kernel = start_kernel()
    assert kernel.run(QUICK).messages == []
    ran = kernel.run("%models load tiny-chat -c 512")
    assert ran.ok, ran.error
    assert ran.stdout == "" and ran.text.startswith("name       provider")


def test_where_outputs_are_compared_there_is_none(start_kernel: Start) -> None:
    """With MODELHUB_STREAM=final nothing is shown of what goes on."""
    assert start_kernel(MODELHUB_STREAM="final").run(LONG).messages == []
