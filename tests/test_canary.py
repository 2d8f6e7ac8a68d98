"""A canary key is given in every way, everything is done that may show it, and all that came of it is searched."""

from __future__ import annotations

import json
import re
import stat
from collections.abc import Callable
from pathlib import Path

import nbformat
import pytest

from tests.kernel import SECONDS, Kernel, Ran
from tests.providers.replay import Reply, Request, Server, serve

STEM = "c4n4ry9zQx"  # in every key of these tests, and nowhere else
WAYS = ("environment", "session", "file", "argument", "named", "keyring", "call")
JSON = {"content-type": "application/json"}
HEADERS = {"openai": "authorization", "anthropic": "x-api-key", "gemini": "x-goog-api-key", "azure": "api-key"}


def key_of(way: str) -> str:
    return f"sk-{STEM}-{way}-0a1b2c3d4e5f"


def replies(elsewhere: str) -> Callable[[Request], Reply]:
    """A server that repeats the key that it was sent in each way a server may."""

    def reply(request: Request) -> Reply:
        sent = next((v for v in map(request.headers.get, HEADERS.values()) if v), "")
        if request.method == "GET":
            rows = [
                {"id": m, "object": "model"} for m in ("fine", "e401", "e500", "e429", "inside", "moved", "mute", "cut")
            ]
            return Reply(json.dumps({"object": "list", "data": rows}).encode(), headers={**JSON, "etag": '"1"'})
        model = request.json().get("model", "e401")
        echo = {"set-cookie": f"k={sent}", "x-request-id": sent, "x-debug": sent, "www-authenticate": sent}
        error = {"error": {"message": f"you sent {sent}", "type": "x", "code": sent, "param": sent}, "key": sent}
        said = {"choices": [{"index": 0, "delta": {"content": "well"}, "finish_reason": None}], "id": "c"}
        match model:
            case "e401" | "e403" | "e400" | "e404":
                return Reply(json.dumps(error).encode(), int(model[1:]), {**JSON, **echo})
            case "e500":
                return Reply(
                    f"<html><title>{sent}</title><p>{sent}</p></html>".encode(), 500, {"content-type": "text/html"}
                )
            case "e429":
                return Reply(json.dumps({**error, "detail": [{"loc": [sent], "msg": sent}]}).encode(), 429,
                             {**JSON, "retry-after": "9999", **echo})  # fmt: skip
            case "inside":
                return Reply(f"data: {json.dumps(said)}\n\ndata: {json.dumps(error)}\n\n".encode(), headers=echo)
            case "broken":
                return Reply(f"data: {json.dumps(said)}\n\ndata: {{not json {sent}\n\n".encode(), headers=echo)
            case "moved":
                return Reply(b"", 307, {"location": f"{elsewhere}/v1/chat/completions?key={sent}"})
            case "mute":
                return Reply(b"", then_hang_s=60)
            case "cut":
                return Reply(f"data: {json.dumps(said)}\n\n".encode(), headers=echo, rst_after_bytes=40)
        last = {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}
        return Reply(f"data: {json.dumps(said)}\n\ndata: {json.dumps(last)}\n\ndata: [DONE]\n\n".encode(), headers=echo)

    return reply


class Session:
    """A kernel, and all that was shown in it."""

    def __init__(self, kernel: Kernel) -> None:
        self.kernel = kernel
        self.cells: list[tuple[str, Ran]] = []

    def run(self, code: str, *answers: str) -> Ran:
        """Run a cell; what it asks for is answered."""
        if not answers:
            ran = self.kernel.run(code)
        else:
            left, ran = list(answers), Ran()
            ran.reply = self.kernel.client.execute_interactive(
                code, allow_stdin=True, stdin_hook=lambda message: self.kernel.client.input(left.pop(0)),
                output_hook=ran.messages.append, timeout=SECONDS,
            )["content"]  # fmt: skip
        self.cells.append((code, ran))
        return ran

    def notebook(self) -> str:
        """What a front end would save."""
        shown = {"stream", "display_data", "execute_result", "error", "update_display_data"}
        cells = []
        for code, ran in self.cells:
            outputs = [
                nbformat.v4.output_from_msg({**m, "header": {"msg_type": m["msg_type"].removeprefix("update_")}})
                for m in ran.messages
                if m["msg_type"] in shown
            ]
            cells.append(nbformat.v4.new_code_cell(code, outputs=outputs))
        return nbformat.writes(nbformat.v4.new_notebook(cells=cells))

    def messages(self) -> str:
        """Every message of every cell, also what no notebook keeps."""
        return "\n".join(json.dumps([ran.messages, ran.reply], default=str) for _code, ran in self.cells)


BEGIN = """
import logging, modelhub, os, sys, traceback
logging.basicConfig(level=logging.DEBUG, stream=sys.stdout, force=True)
logging.getLogger().addHandler(logging.FileHandler("debug.log"))
for name in list(logging.root.manager.loggerDict):
    logging.getLogger(name).setLevel(logging.DEBUG)
hub = modelhub.hub()
given = lambda way: os.environ[f"GIVEN_{way.upper()}"]
"""

LOOK = """
def look(error):
    seen, frames = set(), 0
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        print(repr(error), vars(error), getattr(error, "raw", ""), getattr(error, "partial", None), error.args)
        if hasattr(error, "to_dict"):
            print(error.to_dict(), error.to_record(), error.details)
        for frame, _ in traceback.walk_tb(error.__traceback__):
            frames += 1
            for name, value in frame.f_locals.items():
                text = repr(value) + str(getattr(value, "__dict__", ""))
                print(frame.f_code.co_name, name, text[:20000])
        print("".join(traceback.TracebackException.from_exception(error, capture_locals=True).format()))
        try:
            from rich.console import Console
            from rich.traceback import Traceback
            print_to = Console(file=sys.stdout, width=300)
            print_to.print(Traceback.from_exception(type(error), error, error.__traceback__, show_locals=True))
        except ImportError:
            pass
        error = error.__cause__ or error.__context__
    return frames
"""

ASK = """
try:
    r = hub.chat("hi", model="{model}"{more})
    r.text()
except Exception as error:
    look(error)
"""

SHOW = """
import copy, json, pickle, pprint
r = hub.chat("hi", model="session/fine", logprobs=False)
r.text()
provider = hub.providers.get("session")
engine = hub._engine(hub.catalog.resolve("session/fine"))
things = [hub, hub.providers, hub.providers.keys, provider, engine, r, r.debug, r.to_dict(), r.request, hub.log,
          r.raw, r.raw and r.raw.headers, hub.providers.keys.find("session"), hub.providers.keys.auth("session"),
          hub.providers.keys.store, hub.providers.keys.keyring, r.raw and r.raw.to_dict()["headers"]]
for thing in things:
    print(repr(thing), str(thing), f"{thing}", vars(thing) if hasattr(thing, "__dict__") else "")
    pprint.pprint(thing)
    for keep in (pickle.dumps, lambda t: json.dumps(t, default=str), lambda t: t.model_dump_json(),
                 lambda t: repr(copy.deepcopy(t))):
        try:
            print(keep(thing))
        except Exception as error:
            print(type(error), error)
for thing in things:
    display(thing)
"""


@pytest.fixture
def session(start_kernel: Callable[..., Kernel], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Session:
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    monkeypatch.setenv("TMPDIR", str(tmp_path / "tmp"))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "tmp").mkdir()
    (tmp_path / "held_keyring.py").write_text(
        "import keyring.backend\n"
        "class Keyring(keyring.backend.KeyringBackend):\n"
        "    priority, kept = 1, {}\n"
        "    def get_password(self, service, username): return self.kept.get((service, username))\n"
        "    def set_password(self, service, username, password): self.kept[service, username] = password\n"
        "    def delete_password(self, service, username): del self.kept[service, username]\n"
    )
    given = {f"GIVEN_{way.upper()}": key_of(way) for way in ("argument", "call")}
    kernel = start_kernel(
        ENVIRONMENT_KEY=key_of("environment"), PYTHON_KEYRING_BACKEND="held_keyring.Keyring",
        PYTHONPATH=str(tmp_path), **given,
    )  # fmt: skip
    return Session(kernel)


def set_up(session: Session, server: Server) -> None:
    """One provider for each way of giving a key, and one each for the dialects and the bad addresses."""
    assert session.run(BEGIN + LOOK).ok
    at = f"--base-url {server.url}/v1"
    assert session.run(f"%models provider add environment {at} --key-env ENVIRONMENT_KEY").ok
    assert session.run(f"hub.providers.add('argument', base_url='{server.url}/v1', key=given('argument'))").ok
    for way in ("session", "file", "keyring"):
        session.run(f"%models provider add {way} {at}")
        ran = session.run(f"%models keys set {way} --{way}", key_of(way))
        assert ran.ok, ran.error
    session.run(f"%models provider add named {at}")
    session.run("%models keys set named work", key_of("named"))
    session.run(f"%models provider add call {at} --needs-key")
    for dialect in ("anthropic", "gemini", "azure", "cohere", "ollama"):
        assert session.run(f"%models provider add {dialect}s --dialect {dialect} --base-url {server.url}").ok
        session.run(f"%models keys set {dialect}s --session", key_of("session"))
    for name, url in (("gone", "http://127.0.0.1:9/v1"), ("tls", server.url.replace("http:", "https:") + "/v1")):
        session.run(f"hub.providers.add('{name}', base_url='{url}', connect=0.3, settings={{'tries': 1}})")
        session.run(f"%models keys set {name} --session", key_of("session"))
    session.run("hub.providers.edit('session', first=0.3, idle=0.3, settings={'tries': 1})")


def search(place: str, text: str | bytes) -> None:
    """Raises where the canary is in a text, with what stands before it."""
    text = text.decode("utf-8", "replace") if isinstance(text, bytes) else text
    found = sorted(
        {re.sub(r"\d+|[0-9a-f]{8,}", "#", text[max(0, m.start() - 200) : m.start()]) for m in re.finditer(STEM, text)}
    )
    if found:
        shown = "\n".join(found[:20])
        pytest.fail(f"the key is in {place}, behind\n{shown}")


def search_files(folder: Path) -> list[Path]:
    """Look through every file but keys.json, whose rights must be its owner's alone; the files."""
    files = [p for p in folder.rglob("*") if p.is_file()]
    for path in files:
        if path.name == "keys.json":
            assert stat.S_IMODE(path.stat().st_mode) == 0o600
        else:
            search(str(path), path.read_bytes())
    return files


def test_a_key_is_seen_nowhere(session: Session, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """No output, notebook, history, log, database, traceback, repr, pickle or file of a whole session has the key."""
    run = session.run
    with serve(Reply(b"{}")) as elsewhere, serve(replies(elsewhere.url)) as server:
        set_up(session, server)
        for way in WAYS:
            more = ", key=given('call')" if way == "call" else ""
            assert run(f"hub.chat('hi', model='{way}/fine'{more}).text()").text == "'well'"
            assert server.requests[-1].headers["authorization"] == f"Bearer {key_of(way)}"
        run("%xmode Verbose")
        for model in ("fine", "e401", "inside", "broken", "cut"):
            run(f"%%chat -m session/{model}\nhi")
        for model in ("e401", "e403", "e400", "e404", "e500", "e429", "inside", "broken", "moved", "mute", "cut"):
            assert run(ASK.format(model=f"session/{model}", more="")).stdout, model
        for way in WAYS:
            run(ASK.format(model=f"{way}/e401", more=", key=given('call')" if way == "call" else ""))
        for name in ("anthropics", "geminis", "azures", "coheres", "ollamas", "gone", "tls"):
            run(ASK.format(model=f"{name}/e401", more=""))
        for line in ("keys", "provider", "provider list", "provider show session", "list --all", "refresh session",
                     "provider test session", "keys test file", "keys test tls", "usage"):  # fmt: skip
            run(f"%models {line}")
        run("%xmode Context")
        assert run(SHOW).ok
        run("hub.providers.edit('file', base_url='https://elsewhere.example/v1')")
        run("hub.chat('x', model='file/fine').text()")
        run("%tb")
        run("%whos")
        run("%chats log")
        run("%history -g")
        run("%%chat -m tiny-chat -t 0 --max-tokens 2\nhi")
        pid = int(session.kernel.value("hub.status()[0]['pid']"))
        search("the worker's environment", Path(f"/proc/{pid}/environ").read_bytes())
        run("get_ipython().history_manager.writeout_cache()\nhub.log.close()\nlogging.shutdown()")
        assert not elsewhere.requests, "a redirect was followed"
        assert all(STEM not in f"{r.path}{r.query}{r.body!r}" for r in server.requests)
    search("a message", session.messages())
    search("the notebook", session.notebook())
    captured = capfd.readouterr()
    search("the kernel's stdout", captured.out)
    search("the kernel's stderr", captured.err)
    names = {path.name for path in search_files(tmp_path)}
    assert {"keys.json", "turns.sqlite", "providers.json", "history.sqlite", "debug.log"} <= names
    kept = json.loads((tmp_path / "home" / "keys.json").read_text())
    assert {p for p in kept if STEM in json.dumps(kept[p])} == {"file", "named"}
