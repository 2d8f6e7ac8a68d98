"""The list of well-known models that comes with modelhub."""

from __future__ import annotations

import pytest

from modelhub.kernels.catalog.fetching import well_known
from modelhub.kernels.catalog.fetching.hugging_face import PREFERRED, wanted


def test_every_entry_is_whole() -> None:
    """Each has a name of its own, a repository that can be asked for, a licence, a context and a size that can be."""
    found = well_known.entries()
    assert 25 <= len(found) <= 45
    assert len({e.name for e in found}) == len({e.repository for e in found}) == len(found)
    for entry in found:
        assert wanted(entry.repository).repository == entry.repository
        assert "/" not in entry.name and entry.name == entry.name.lower()
        assert entry.quant in PREFERRED and entry.licence and entry.about.endswith(".") and len(entry.about) < 90
        assert entry.context >= 512 and entry.kind in {"chat", "embedding"}
        assert 0.4 < entry.bytes / entry.parameters < 1.1


def test_an_entry_is_a_card_that_can_be_fetched() -> None:
    """As a card its state is downloadable, and a size that is only reckoned is not given as if it were known."""
    known, reckoned = well_known.find("smollm3-3b"), well_known.find(" Llama-3.1-8B ")
    assert known is not None and reckoned is not None
    assert (known.card().state, known.card().size) == ("downloadable", known.size)
    assert (reckoned.card().size, reckoned.card().origin) == (None, "bartowski/Meta-Llama-3.1-8B-Instruct-GGUF")


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("coder", {"qwen2.5-coder-1.5b", "qwen2.5-coder-7b"}),
        ("VISION gemma", {"gemma-3-4b", "gemma-3-12b"}),
        ("xyz", set()),
    ],
)
def test_words_narrow_the_list(query: str, names: set[str]) -> None:
    """Every word must be somewhere in an entry."""
    assert {e.name for e in well_known.matching(query)} == names


def test_what_is_none_of_them() -> None:
    """A name that is not in the list finds nothing."""
    assert well_known.find("llama") is None
