"""A stand-in for the Hugging Face Hub on this machine: the endpoints huggingface_hub asks, and faults on demand.

    with HubStandIn({"modelhub/tiny-chat-GGUF": {"tiny-chat.Q8_0.gguf": path}}) as hub:
        os.environ["HF_ENDPOINT"] = hub.url

Endpoints (https://huggingface.co/docs/hub/api): `/api/models`, `/api/models/{repo}[/revision/{rev}]`, `/{repo}/resolve/
{rev}/{file}`, which redirects to another port as the Hub does to its store of large files. A file below `/plain/` has an address of its own.
"""

from __future__ import annotations

import hashlib
import json
import re
import select
import socket
import threading
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

PIECE = 1 << 16  # bytes sent at once


@dataclass
class Faults:
    """What goes wrong; everything may be changed while it serves.

    cut_after: bytes after which a connection is cut, of each answer. cuts: how many answers are cut, None for all.
    pause: seconds between two pieces. gate: where set, no byte beyond `hold_after` is sent before it is. statuses: the
    statuses of the next requests for a file, HEAD or GET, 200 for none; api_statuses: of the next for a listing. sha256: what is
    announced instead of the true one, by file. sizes: the same for sizes. html: a page is sent instead of the file.
    gated: files need a token that has accepted; private: listings too. surplus: bytes that are sent beyond the announced
    ones, without a Content-Length. no_ranges: Range is ignored. no_condition: so is If-Range. salt: changes the ETags of
    files. names: names of files that are listed besides.
    """

    cut_after: int | None = None
    cuts: int | None = None
    pause: float = 0.0
    gate: threading.Event | None = None
    hold_after: int = 0
    statuses: list[int] = field(default_factory=list)
    api_statuses: list[int] = field(default_factory=list)
    sha256: dict[str, str] = field(default_factory=dict)
    sizes: dict[str, int] = field(default_factory=dict)
    html: bool = False
    gated: bool = False
    private: bool = False
    surplus: int = 0
    no_ranges: bool = False
    no_condition: bool = False
    salt: bytes = b""
    names: list[str] = field(default_factory=list)


class HubStandIn:
    """Serves repositories until it is closed; use it in a `with`. `url` is for HF_ENDPOINT."""

    def __init__(
        self,
        repositories: Mapping[str, Mapping[str, Path | bytes]],
        plain: Mapping[str, Path | bytes] | None = None,
        licence: str = "apache-2.0",
        token: str = "hf_stand_in",
    ) -> None:
        """repositories: `owner/repo` to names and contents of files. plain: the same at `/plain/NAME`."""
        self.repositories = {r: {n: _bytes(c) for n, c in files.items()} for r, files in repositories.items()}
        self.plain = {name: _bytes(content) for name, content in (plain or {}).items()}
        self.licence, self.token = licence, token
        self.faults = Faults()
        self.requests: list[tuple[str, str, str]] = []  # method, path, Range
        self.sent: Counter[str] = Counter()  # bytes of each file
        self.conditions: list[str] = []  # the If-Range of each request for a part of a file, empty for none
        self.sending = threading.Event()  # set once the first bytes of a file went out
        self.tokens: set[str] = set()  # those that came with a request for a stored file
        self._hub = _server(self, store=False)
        self._store = _server(self, store=True)

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self._hub.server_address[1]}"

    @property
    def store_url(self) -> str:
        """Where the files are redirected to."""
        return f"http://127.0.0.1:{self._store.server_address[1]}"

    def plain_url(self, name: str) -> str:
        """The address of a file of `plain`: one that is no repository's."""
        return f"{self.store_url}/plain/{name}"

    def commit(self, repository: str) -> str:
        """The commit a repository is at: it changes with its files."""
        made = hashlib.sha1(repository.encode())
        for name, content in sorted(self.repositories[repository].items()):
            made.update(name.encode() + hashlib.sha256(content).digest())
        return made.hexdigest()

    def close(self) -> None:
        """Stop serving; connections that are open are cut."""
        for server in (self._hub, self._store):
            server.shutdown()
            server.server_close()

    def __enter__(self) -> HubStandIn:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that goes away is what is tested here."""


def _server(hub: HubStandIn, store: bool) -> _Server:
    server = _Server(("127.0.0.1", 0), type("Handler", (_Handler,), {"hub": hub, "store": store}))
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
    return server


class _Handler(BaseHTTPRequestHandler):
    hub: HubStandIn
    store: bool
    protocol_version = "HTTP/1.1"

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        address = urlsplit(self.path)
        path = unquote(address.path)
        self.hub.requests.append((self.command, path, self.headers.get("Range", "")))
        if path.startswith("/plain/"):
            self._plain(path.removeprefix("/plain/"))
        elif self.store:
            self._stored(path)
        elif path == "/api/models":
            self._search(parse_qs(address.query))
        elif found := re.fullmatch(r"/api/models/([^/]+/[^/]+)(?:/revision/(.+))?", path):
            self._listing(found[1], found[2])
        elif found := re.fullmatch(r"/([^/]+/[^/]+)/resolve/([^/]+)/(.+)", path):
            self._resolve(found[1], found[2], found[3])
        else:
            self._refuse(404, "EntryNotFound", "Not found")

    # -- the Hub -----------------------------------------------------------------------------------------------------

    def _search(self, query: dict[str, list[str]]) -> None:
        if self._fault(self.hub.faults.api_statuses):
            return
        words = query.get("search", [""])[0].lower()
        found = [r for r in self.hub.repositories if words in r.lower()]
        self._json([self._about(r) for r in found[: int(query.get("limit", ["20"])[0])]])

    def _listing(self, repository: str, revision: str | None) -> None:
        hub, faults = self.hub, self.hub.faults
        if self._fault(faults.api_statuses):
            return
        if repository not in hub.repositories or (faults.private and not self._token()):
            self._refuse(401, "RepoNotFound", "Repository not found")
            return
        if revision not in (None, "main", hub.commit(repository)):
            self._refuse(404, "RevisionNotFound", f"Invalid rev id: {revision}")
            return
        siblings = [self._sibling(n, c) for n, c in hub.repositories[repository].items()]
        siblings += [self._sibling(n, b"GGUF") for n in faults.names]
        self._json({**self._about(repository), "sha": hub.commit(repository), "siblings": siblings})

    def _about(self, repository: str) -> dict[str, Any]:
        gated = "manual" if self.hub.faults.gated else False
        return {
            "_id": hashlib.sha1(repository.encode()).hexdigest()[:24],
            "id": repository,
            "modelId": repository,
            "author": repository.split("/")[0],
            "private": self.hub.faults.private,
            "gated": gated,
            "downloads": 1000,
            "likes": 10,
            "createdAt": "2026-01-02T03:04:05.000Z",
            "tags": ["gguf", f"license:{self.hub.licence}"],
            "cardData": {"license": self.hub.licence},
        }

    def _sibling(self, name: str, content: bytes) -> dict[str, Any]:
        size = self.hub.faults.sizes.get(name, len(content))
        blob = hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()
        entry: dict[str, Any] = {"rfilename": name, "size": size, "blobId": blob}
        if name.lower().endswith(".gguf"):
            sha256 = self.hub.faults.sha256.get(name) or hashlib.sha256(content).hexdigest()
            entry["lfs"] = {"sha256": sha256, "size": size, "pointerSize": 130}
        return entry

    def _resolve(self, repository: str, revision: str, name: str) -> None:
        hub, faults = self.hub, self.hub.faults
        content = hub.repositories.get(repository, {}).get(name)
        if self._fault(faults.statuses):
            return
        if content is None:
            self._refuse(404, "EntryNotFound", "Entry not found")
        elif faults.gated and self._token() != hub.token:
            kind = 403 if self._token() else 401
            self._refuse(kind, "GatedRepo", f"Access to model {repository} is restricted.")
        else:
            etag = faults.sha256.get(name) or hashlib.sha256(content).hexdigest()
            self.send_response(302)
            self.send_header("Location", f"{hub.store_url}/{repository}/{hashlib.sha256(content).hexdigest()}/{name}")
            self.send_header("X-Repo-Commit", hub.commit(repository) if revision == "main" else revision)
            self.send_header("X-Linked-Etag", f'"{etag}"')
            self.send_header("X-Linked-Size", str(faults.sizes.get(name, len(content))))
            self.send_header("ETag", f'"{etag}"')
            self.send_header("Content-Length", "0")
            self.end_headers()

    # -- files -------------------------------------------------------------------------------------------------------

    def _stored(self, path: str) -> None:
        owner, name, _hash, file = path.lstrip("/").split("/", 3)
        if self._token():
            self.hub.tokens.add(self._token())
        content = self.hub.repositories.get(f"{owner}/{name}", {}).get(file)
        if content is None:
            self._refuse(404, "EntryNotFound", "Entry not found")
        else:
            self._send(file, content)

    def _plain(self, name: str) -> None:
        if self._token():
            self.hub.tokens.add(self._token())
        if self._fault(self.hub.faults.statuses):
            return
        if name not in self.hub.plain:
            self._refuse(404, "", "Not found")
        else:
            self._send(name, self.hub.plain[name])

    def _send(self, name: str, content: bytes) -> None:
        faults = self.hub.faults
        if faults.html:
            content = b"<!doctype html><title>Log in</title>".ljust(len(content))
        etag = f'"{hashlib.md5(faults.salt + content).hexdigest()}"'
        asked = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
        condition = self.headers.get("If-Range")
        if asked:
            self.hub.conditions.append(condition or "")
        begin, end, status = 0, len(content), 200
        if asked and not faults.no_ranges and (faults.no_condition or condition in (None, etag)):
            begin, status = int(asked[1]), 206
            end = min(int(asked[2]) + 1, len(content)) if asked[2] else len(content)
            if begin >= len(content):
                self._refuse(416, "", "Range not satisfiable")
                return
        self.send_response(status)
        self.send_header("ETag", etag)
        self.send_header("Accept-Ranges", "bytes")
        if status == 206:
            self.send_header("Content-Range", f"bytes {begin}-{end - 1}/{len(content)}")
        if faults.surplus:
            self.send_header("Connection", "close")
            self.close_connection = True
            content, end = content + b"\0" * faults.surplus, end + faults.surplus
        else:
            self.send_header("Content-Length", str(end - begin))
        self.end_headers()
        if self.command == "GET":
            self._body(name, content, begin, end)

    def _body(self, name: str, content: bytes, begin: int, end: int) -> None:
        faults = self.hub.faults
        cut = None
        if faults.cut_after is not None and (faults.cuts is None or faults.cuts > 0):
            cut = min(begin + faults.cut_after, end)
            faults.cuts = None if faults.cuts is None else faults.cuts - 1
        here, stop = begin, end if cut is None else cut
        while here < stop:
            until = min(here + PIECE, stop)
            if faults.gate is not None and until > faults.hold_after:
                until = max(here, min(until, faults.hold_after))
                if until == here:
                    if not self._opened(faults.gate):
                        return
                    until = min(here + PIECE, stop)
            self.wfile.write(content[here:until])
            self.wfile.flush()
            self.hub.sent[name] += until - here
            here = until
            self.hub.sending.set()
            if faults.pause:
                time.sleep(faults.pause)
        if cut is not None and cut < end:
            self.close_connection = True
            self.connection.close()

    def _opened(self, gate: threading.Event) -> bool:
        """Wait for the gate; False where the client has gone before it opened."""
        while not gate.wait(0.02):
            if select.select([self.connection], [], [], 0)[0] and not self._asked_more():
                self.close_connection = True
                return False
        return True

    def _asked_more(self) -> bool:
        try:
            return bool(self.connection.recv(1, socket.MSG_PEEK))
        except OSError:
            return False

    # -- answers -----------------------------------------------------------------------------------------------------

    def _fault(self, statuses: list[int]) -> bool:
        """Answer with the next fault, if there is one."""
        if not statuses:
            return False
        status = statuses.pop(0)
        if status == 200:
            return False
        self._refuse(status, "", "A fault was asked for")
        return True

    def _token(self) -> str:
        return self.headers.get("Authorization", "").removeprefix("Bearer ")

    def _json(self, value: Any) -> None:
        body = json.dumps(value).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body)

    def _refuse(self, status: int, code: str, message: str) -> None:
        body = json.dumps({"error": message}).encode()
        self.send_response(status)
        if code:
            self.send_header("X-Error-Code", code)
        self.send_header("X-Error-Message", message)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing is written anywhere."""


def _bytes(content: Path | bytes) -> bytes:
    return content if isinstance(content, bytes) else Path(content).read_bytes()
