"""One kernel for each file of tests; every test finds it without conversations, loaded models kept."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.kernel import Kernel

FORGET = """
import modelhub as _m
_m.hub().conversations = type(_m.hub().conversations)()
"""


@pytest.fixture(scope="module")
def one_kernel(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kernel]:
    """A real kernel with modelhub loaded and a home of its own, for all tests of a file."""
    kernel = Kernel({"MODELHUB_HOME": str(tmp_path_factory.mktemp("home"))})
    assert kernel.run("%load_ext modelhub").ok
    yield kernel
    kernel.stop()


@pytest.fixture
def room(one_kernel: Kernel) -> Kernel:
    """The kernel of this file, with no conversations."""
    assert one_kernel.run(FORGET).ok
    return one_kernel
