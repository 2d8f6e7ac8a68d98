"""The log of turns has no keys in it: neither known ones nor what looks like one, and its file is its owner's alone."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path

import pytest

from modelhub.kernels.hub import Hub
from modelhub.kernels.providers.keys.keys import Keys
from tests.providers.replay import Reply, serve

PLAIN, OTHER, THIRD = (
    f"correct-horse-battery-{word}" for word in ("staple", "hinge", "clasp")
)  # no pattern knows them
SHAPED = "sk-proj-kQ7wZ2pL9xV4bN6mR8tY1uI3oP5aS0dF"


def keep(home: Path, key: str) -> None:
    """Keep a key in keys.json, as another kernel does: this one never held it."""
    home.mkdir(exist_ok=True)
    (home / "keys.json").write_text(json.dumps({"mistral": {"key": key}}))
    (home / "keys.json").chmod(0o600)


def everything(home: Path) -> str:
    """All that lies in the log's files."""
    return "".join(path.read_bytes().decode("latin-1") for path in home.glob("turns.sqlite*"))


def test_keys_are_masked_before_they_are_written(hub: Hub, home: Path) -> None:
    """A question with a key in it is logged without it, whether it is a kept one or looks like one; words stay."""
    keep(home, PLAIN)
    options = {"temperature": 0, "max_tokens": 2, "user": PLAIN, "metadata": {"note": SHAPED}}
    hub.chat(f"Is {PLAIN} or {SHAPED} good?", model="tiny-chat", system=f"It is\n{SHAPED}", **options).text()
    hub.log.close()
    assert PLAIN not in everything(home) and SHAPED not in everything(home)
    (row,) = hub.log.recent()
    said = json.loads(row["request"])["messages"]
    assert [m["content"] for m in said] == ["It is\nsk-proj-…S0dF", "Is …aple or sk-proj-…S0dF good?"]
    assert hub.log.response(row["id"]).text()


def test_a_key_that_is_answered_is_masked_with_its_tokens(own_hub: Hub, home: Path) -> None:
    """An answer that has a key in it is kept without it, and without its tokens, which make it up."""
    pieces = [OTHER[:9], OTHER[9:20], OTHER[20:]]
    events = [
        {"choices": [{"index": 0, "delta": {"content": p}, "logprobs": {"content": [
            {"token": p, "logprob": -0.1, "bytes": list(p.encode()), "top_logprobs": []}]}}]}
        for p in pieces
    ]  # fmt: skip
    events.append({"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]})
    body = "".join(f"data: {json.dumps(e)}\n\n" for e in events) + "data: [DONE]\n\n"
    keep(home, OTHER)
    with serve(Reply(body.encode())) as server:
        own_hub.providers.add("corp", base_url=f"{server.url}/v1")
        response = own_hub.chat("hi", model="corp/x", logprobs=True)
        assert response.text() == OTHER and len(response.logprobs) == 3, "what is shown is what came"
    own_hub.log.close()
    assert own_hub.log.recent()[0]["text"] == "…inge"
    assert own_hub.log.response(response.id).logprobs == []
    assert not any(piece in everything(home) for piece in pieces)


def test_what_has_no_key_is_as_it_was(hub: Hub) -> None:
    """Names, hashes and code in a turn are kept letter by letter."""
    said = "task-1234567890abcdefgh in hf_hub_download of sk-learn-contrib-2024, d41d8cd98f00b204e9800998ecf8427e \\n é"
    hub.chat(said, model="tiny-chat", temperature=0, max_tokens=2).text()
    hub.log.close()
    (row,) = hub.log.recent()
    assert json.loads(row["request"])["messages"][-1]["content"] == said


@pytest.mark.skipif(os.name != "posix", reason="rights are those of POSIX")
def test_the_files_are_their_owners_alone(hub: Hub, home: Path) -> None:
    """The home has the rights 0700, the log and SQLite's files beside it 0600, whatever the umask."""
    before = os.umask(0)
    try:
        hub.chat("hi", model="tiny-chat", temperature=0, max_tokens=2).text()
        files = list(home.glob("turns.sqlite*"))
        assert len(files) > 1 and {stat.S_IMODE(path.stat().st_mode) for path in files} == {0o600}
        assert stat.S_IMODE(home.stat().st_mode) == 0o700
    finally:
        os.umask(before)


def test_keys_are_found_by_any_kernel(home: Path) -> None:
    """A kernel that never asked a provider knows the keys that are kept."""
    keep(home, THIRD)
    assert THIRD not in Keys().scrub(f"it is {THIRD}")
