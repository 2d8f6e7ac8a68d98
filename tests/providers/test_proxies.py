"""What stands between: proxies of the environment, tunnels through them, certificates of one's own authority."""

from __future__ import annotations

import contextlib
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from modelhub.errors import ProviderError
from modelhub.kernels.hub import Hub
from tests.providers.replay import Reply, serve
from tests.providers.streams import KEY, add, said, start, text_of

ANSWER = Reply(said("kelp"))


@pytest.mark.parametrize("name", ["HTTP_PROXY", "http_proxy", "ALL_PROXY"])
def test_this_machine_is_asked_without_a_proxy(own_hub: Hub, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """A proxy of the environment stands between others and us, not between this machine and itself."""
    with serve(Reply(b"", 502)) as proxy:
        monkeypatch.setenv(name, proxy.url)
        assert text_of(own_hub, ANSWER) == "kelp"
        assert not proxy.requests


def test_other_machines_are_asked_through_the_proxy(clean_kernel: Kernel) -> None:
    """HTTP_PROXY holds for a provider elsewhere."""
    with serve(ANSWER) as proxy:
        said_ = clean_kernel.run("http://models.example.com/v1", HTTP_PROXY=proxy.url, NO_PROXY="")
        assert said_ == "kelp"
        assert proxy.requests[0].headers["host"] == "models.example.com"


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    """Files of a certificate of its own authority for 127.0.0.1, and of its key."""
    folder = tmp_path_factory.mktemp("tls")
    made = subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=127.0.0.1",
         "-addext", "subjectAltName=IP:127.0.0.1,DNS:models.example.com",
         "-keyout", folder / "key.pem", "-out", folder / "cert.pem"],
        capture_output=True, check=False, text=True,
    )  # fmt: skip
    assert made.returncode == 0, f"openssl makes no certificate here: {made.stderr}"
    return str(folder / "cert.pem"), str(folder / "key.pem")


def test_a_certificate_nobody_knows_is_refused(own_hub: Hub, certificate: tuple[str, str]) -> None:
    """Without the company's certificate nothing is sent, and the message says where it goes."""
    with serve(ANSWER, tls=certificate) as server:
        response = start(own_hub, server)
        response.wait_quietly(30)
        assert isinstance(response.error, ProviderError) and response.error.kind == "connection"
        assert "--ca FILE" in str(response.error) and not response.error.retryable and not server.requests


def test_a_private_authority_is_trusted_where_it_is_named(own_hub: Hub, certificate: tuple[str, str]) -> None:
    """A provider's `ca` holds for that provider."""
    with serve(ANSWER, tls=certificate) as server:
        add(own_hub, f"{server.url}/v1", ca=certificate[0])
        assert own_hub.chat("hi", model="corp/m").text() == "kelp"


def test_a_file_that_is_no_certificate_is_told(own_hub: Hub, tmp_path: Path) -> None:
    """The message names the file."""
    wrong = tmp_path / "ca.pem"
    wrong.write_text("no certificate")
    with serve(ANSWER) as server:
        add(own_hub, f"{server.url}/v1", ca=str(wrong))
        with pytest.raises(ProviderError, match=r"ca\.pem"):
            own_hub.chat("hi", model="corp/m").text()


def test_the_environments_certificates_are_trusted(clean_kernel: Kernel, certificate: tuple[str, str]) -> None:
    """SSL_CERT_FILE holds for every provider."""
    with serve(ANSWER, tls=certificate) as server:
        assert clean_kernel.run(f"{server.url}/v1", SSL_CERT_FILE=certificate[0]) == "kelp"


def test_a_tunnel_is_asked_for_where_it_is_https(clean_kernel: Kernel, certificate: tuple[str, str]) -> None:
    """HTTPS_PROXY: the proxy tunnels and sees neither the key nor what is said; a private authority holds in it."""
    with serve(ANSWER, tls=certificate) as server, tunnel(server.port) as (url, heads):
        base_url = "https://models.example.com/v1"
        assert clean_kernel.run(base_url, HTTPS_PROXY=url, NO_PROXY="", SSL_CERT_FILE=certificate[0]) == "kelp"
        assert heads[0].startswith(b"CONNECT models.example.com:443 ") and KEY.encode() not in b"".join(heads)
        assert server.requests[0].headers["authorization"] == f"Bearer {KEY}"


@contextlib.contextmanager
def tunnel(port: int) -> Iterator[tuple[str, list[bytes]]]:
    """A proxy whose one tunnel ends at a port of this machine: its address, and the heads it was sent."""
    heads: list[bytes] = []

    def pass_on(source: socket.socket, sink: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                sink.sendall(data)
            sink.shutdown(socket.SHUT_WR)

    def serve_one() -> None:
        with contextlib.suppress(OSError):
            near, _ = listening.accept()
            with near, socket.create_connection(("127.0.0.1", port)) as far:
                heads.append(near.recv(65536))
                near.sendall(b"HTTP/1.1 200 Connected\r\n\r\n")
                back = threading.Thread(target=pass_on, args=(far, near))
                back.start()
                pass_on(near, far)
                back.join()

    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=serve_one)
        thread.start()
        yield f"http://127.0.0.1:{listening.getsockname()[1]}", heads
        listening.shutdown(socket.SHUT_RDWR)
    thread.join()


class Kernel:
    """A Python of its own, for what is read from the environment once."""

    def __init__(self, home: Path) -> None:
        """home: of modelhub's files."""
        self._home = home

    def run(self, base_url: str, **environment: str) -> str:
        """What a provider at this address answers."""
        import os

        code = (
            "import modelhub; hub = modelhub.hub();"
            f"hub.providers.add('corp', base_url={base_url!r}, key={KEY!r}, allow_http=True);"
            "print(hub.chat('hi', model='corp/m').text(), end='')"
        )
        env = {**os.environ, "MODELHUB_HOME": str(self._home), **environment}
        return subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, check=True).stdout


@pytest.fixture
def clean_kernel(tmp_path: Path) -> Kernel:
    """A Python of its own."""
    return Kernel(tmp_path / "other-home")
