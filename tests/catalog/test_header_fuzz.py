"""Headers changed at random: what is read is consistent, what is not is one line."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from benchmarks.mutated_gguf import inconsistent, mutated
from modelhub.errors import ModelFileError
from modelhub.kernels.catalog.card import card_of_file
from modelhub.kernels.catalog.headers.gguf import read_header
from tests.catalog import small


@pytest.mark.parametrize("seed", range(4))
def test_a_mutated_header_is_consistent_or_refused(tmp_path: Path, seed: int) -> None:
    """100 mutated files each: those that are read have tables that fit the file, the rest is refused in one line."""
    source, path, read = random.Random(seed), tmp_path / "m.gguf", 0
    for _ in range(100):
        path.write_bytes(mutated(small.whole(), source))
        try:
            header = read_header(path)
            card_of_file(path).to_dict()
        except ModelFileError as error:
            assert "\n" not in str(error) and len(str(error)) < 1000
        else:
            read += 1
            assert inconsistent(header, path.stat().st_size) is None
    assert 5 < read < 95  # the mutations reach what matters, and do not all destroy it
