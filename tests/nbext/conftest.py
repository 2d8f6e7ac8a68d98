"""One kernel for each file of tests."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.kernel import Kernel


@pytest.fixture(scope="module")
def one_kernel(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kernel]:
    """A real kernel with modelhub loaded and a home of its own, for all tests of a file."""
    kernel = Kernel({"MODELHUB_HOME": str(tmp_path_factory.mktemp("home"))})
    assert kernel.run("%load_ext modelhub\nimport modelhub, os").ok
    yield kernel
    kernel.stop()
