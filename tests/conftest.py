"""What every test may ask for: a home of its own, a hub over a real worker, a random model, a real kernel."""

from __future__ import annotations

import sys
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parent.parent
if str(ROOT) not in sys.path:
    sys.path.append(str(ROOT))  # for benchmarks/ and tiny_model/, which are not installed

from modelhub.kernels.hub import Hub  # noqa: E402 - after the path
from modelhub.kernels.providers import records  # noqa: E402
from modelhub.kernels.secret import met  # noqa: E402
from modelhub.kernels.store.conversations import Conversations  # noqa: E402
from tests.kernel import Kernel  # noqa: E402

OF_PROVIDERS = [name for record in records.packaged().values() for name in (*record.key_env, *record.url_env)]


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The home folder of this test alone; nothing of the user's is read or written."""
    folder = tmp_path / "home"
    monkeypatch.setenv("MODELHUB_HOME", str(folder))
    monkeypatch.setenv("MODELHUB_PLACES", "none")  # what other programs have on this machine is no part of a test
    monkeypatch.setenv("MODELHUB_PLUGINS", "off")  # nor the plugins that happen to be installed
    monkeypatch.setenv("PYTHON_KEYRING_BACKEND", "keyring.backends.null.Keyring")  # nor its user's keyring
    monkeypatch.delenv("MODELHUB_STREAM", raising=False)
    for name in OF_PROVIDERS:  # nor keys and addresses of the machine's user
        monkeypatch.delenv(name, raising=False)
    return folder


@pytest.fixture(autouse=True)
def no_key_is_left(home: Path) -> Iterator[None]:
    """No file of a test's home has a key that was held in this process, but keys.json and documents it wrote itself."""
    yield
    for path in home.rglob("*"):
        if path.name == "keys.json" or path.parts[len(home.parts)] == "models":
            continue
        if path.is_file() and path.stat().st_size < 8 << 20:
            text = path.read_bytes().decode("latin-1")
            assert not any(secret.is_in(text) for secret in met()), f"{path} has a key in it"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Generator[None, Any, Any]:
    """A test that writes a key to the screen or to a log fails."""
    report = yield
    for where, text in report.sections if report.passed else ():
        if any(secret.is_in(text) for secret in met()):
            report.outcome, report.longrepr = "failed", f"a key was written: {where}"
    return report


@pytest.fixture(scope="session")
def shared_hub() -> Iterator[Hub]:
    """One hub for all tests: its workers are started once."""
    hub = Hub()
    yield hub
    hub.close()


@pytest.fixture
def hub(shared_hub: Hub) -> Iterator[Hub]:
    """The shared hub with no conversations, no default set and a log in this test's home."""
    shared_hub.log.close()
    shared_hub.conversations = Conversations()
    shared_hub._default = None
    yield shared_hub
    shared_hub.log.close()


@pytest.fixture
def own_hub() -> Iterator[Hub]:
    """A hub whose workers no other test shares: here they may be killed."""
    hub = Hub()
    yield hub
    hub.close()


@pytest.fixture(scope="session")
def random_gguf(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A GGUF of random weights: 512 tokens of vocabulary and of context."""
    from benchmarks.random_gguf import write

    return write(tmp_path_factory.mktemp("models") / "random.gguf")


@pytest.fixture(scope="session")
def long_gguf(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """As `random_gguf`, with 16,384 tokens of context: an answer that is not ended goes on for seconds."""
    from benchmarks.random_gguf import Shape, write

    return write(tmp_path_factory.mktemp("models") / "long.gguf", Shape(context=16384))


@pytest.fixture
def start_kernel(home: Path) -> Iterator[Callable[..., Kernel]]:
    """Starts real kernels, with modelhub loaded unless `load=False`; they are ended with the test."""
    started: list[Kernel] = []

    def start(load: bool = True, **environment: str) -> Kernel:
        kernel = Kernel({"MODELHUB_HOME": str(home), **environment})
        started.append(kernel)
        if load:
            assert kernel.run("%load_ext modelhub").ok
        return kernel

    yield start
    for kernel in started:
        kernel.stop()


@pytest.fixture
def kernel(start_kernel: Callable[..., Kernel]) -> Any:
    """A real kernel with modelhub loaded."""
    return start_kernel()
