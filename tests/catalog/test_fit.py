"""Whether a model fits a machine, said before it is fetched."""

from __future__ import annotations

import pytest

from modelhub.kernels.catalog.fetching.fit import USUAL_CONTEXT, Machine, fit, machine, need

GB = 10**9


@pytest.mark.parametrize(
    ("weights", "on", "verdict", "reason"),
    [
        (5 * GB, Machine(16 * GB, 32 * GB, 12 * GB), "fits the GPU", "12.0 GB are free on the GPU"),
        (5 * GB, Machine(16 * GB, 32 * GB, 4 * GB), "fits", "16.0 GB of 32.0 GB are free"),
        (5 * GB, Machine(4 * GB, 16 * GB), "tight", "only 4.0 GB of 16.0 GB are free now"),
        (5 * GB, Machine(4 * GB, 6 * GB), "too large", "this machine has 6.0 GB"),
    ],
)
def test_verdicts(weights: int, on: Machine, verdict: str, reason: str) -> None:
    """On the GPU if it holds all of it, else by what is free, else by what there is; the reason has the figures."""
    found = fit(weights, on)
    assert found.verdict == verdict
    assert reason in found.reason and f"with {USUAL_CONTEXT:,} tokens" in found.reason
    assert found.good == verdict.startswith("fits")


def test_what_is_needed_grows_with_weights_and_context() -> None:
    """Weights, a context of the usual length and the work are counted: about 6.3 GB for 4.9 GB of Llama 3.1 8B."""
    assert need(5 * GB) < need(5 * GB, context=2 * USUAL_CONTEXT) < need(6 * GB, context=2 * USUAL_CONTEXT)
    assert 4_920_000_000 + 8192 * 131_072 <= need(4_920_000_000, 8_030_000_000) < 6_400_000_000


def test_this_machine() -> None:
    """This machine has memory, and not more of it free than there is."""
    here = machine()
    assert 0 < here.free <= here.total
    assert str(here).endswith("are free") or "on the GPU" in str(here)
