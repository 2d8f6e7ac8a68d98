"""`%models keys` in a real kernel: the table, asking unseen, choosing, forgetting; a key is shown nowhere."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.kernel import SECONDS, Kernel, Ran
from tests.providers.replay import Reply, serve

ONE, TWO = "sk-canary-one-0123456789", "sk-canary-two-98765abcd"
NONE = {f"{name}_API_KEY": "" for name in ("OPENAI", "GROQ", "ANTHROPIC", "OLLAMA")}


@pytest.fixture
def keyed(start_kernel: Callable[..., Kernel]) -> Kernel:
    """A kernel without keys, whose own providers are at addresses where nobody answers."""
    kernel = start_kernel(**NONE, PYTHON_KEYRING_BACKEND="keyring.backends.null.Keyring")
    for name in ("corp", "lab"):
        assert kernel.run(f"%models provider add {name} --base-url http://127.0.0.1:9/{name}").ok
    return kernel


def typed(kernel: Kernel, code: str, *answers: str) -> tuple[Ran, list[dict[str, Any]]]:
    """Run a cell in a front end that can be asked; what it showed, and the questions."""
    left, asked, ran = list(answers), [], Ran()

    def answer(message: dict[str, Any]) -> None:
        asked.append(message["content"])
        kernel.client.input(left.pop(0))

    ran.reply = kernel.client.execute_interactive(
        code, allow_stdin=True, stdin_hook=answer, output_hook=ran.messages.append, timeout=SECONDS
    )["content"]
    return ran, asked


def test_a_key_is_asked_for_unseen(keyed: Kernel, home: Path) -> None:
    """`set` asks with a password prompt, says where the key is, and has no value; the key is in keys.json alone."""
    ran, asked = typed(keyed, "%models keys set corp", f" {ONE} \n")
    assert [(a["prompt"], a["password"]) for a in asked] == [("key of corp: ", True)]
    assert ran.stdout == f"the key of corp is kept in {home / 'keys.json'}\n"
    assert not ran.of("execute_result") and "canary" not in str(ran)
    assert json.loads((home / "keys.json").read_text())["corp"]["key"] == ONE
    ran, _ = typed(keyed, "import modelhub\nmodelhub.hub().providers.keys.set('lab')", TWO)
    assert not ran.messages[1:] or "canary" not in str(ran)
    table = keyed.run("t = %models keys\nt")
    assert table.text.splitlines() == [
        "provider  name     from       ends with  for                 state",
        "corp      default  keys.json  …6789      http://127.0.0.1:9  in use",
        "lab       default  keys.json  …abcd      http://127.0.0.1:9  in use",
    ]
    assert keyed.value("t[0]['ends with']") == "'6789'" and "canary" not in str(table)


def test_what_was_pasted_wrong(keyed: Kernel, home: Path) -> None:
    """A key with blanks or a placeholder is refused without being repeated, and nothing is kept."""
    for wrong in ("sk-canary 1", "sk-...", "", "Bearer sk-canary-123456789"):
        ran, _ = typed(keyed, "%models keys set corp", wrong)
        assert ran.error.startswith("BadRequest: ") and "canary" not in str(ran)
    assert not (home / "keys.json").exists()


def test_a_key_on_the_line_is_refused(keyed: Kernel, home: Path) -> None:
    """A key that is typed in the cell is not taken: the answer says how it is done, and to revoke it."""
    lines = (
        f"openai {ONE}",
        f"openai --session={ONE}",
        f"{ONE}",
        f"openai work {ONE}",
        "groq 0a1b2c3d4e5f60718293a4b5",
    )
    for line in lines:
        ran = keyed.run(f"%models keys set {line}")
        assert "a key is not typed in the line" in ran.error and "revoke it" in ran.error
        assert "canary" not in str(ran.messages) and "0a1b2c3d4e5f" not in str(ran.messages)
    assert "revoke it at https://platform.openai.com/api-keys, and type %models keys set openai," in keyed.run(
        f"%models keys set openai {ONE}"
    ).error  # fmt: skip
    assert not (home / "keys.json").exists()


def test_several_keys(keyed: Kernel) -> None:
    """Keys have names, one of them is in use; the answer to `set` says when another comes first, and what to type."""
    typed(keyed, "%models keys set corp", ONE)
    ran, asked = typed(keyed, "%models keys set corp work --session", TWO)
    assert asked[0]["prompt"] == "key of corp (work): "
    assert ran.stdout == (
        "the key work of corp is kept in this session; default comes before it: %models keys use corp work takes this "
        "one\n"
    )
    assert keyed.run("%models keys use corp work").text == "corp is asked with the key work (…abcd)"
    rows = keyed.run(
        "[(r['name'], r['from'], r['state']) for r in get_ipython().run_line_magic('models', 'keys')]"
    ).text
    assert rows == "[('default', 'keys.json', 'shadowed'), ('work', 'this session', 'in use')]"
    assert keyed.run("%models keys remove corp work").text.endswith("is gone from this session; default is in use now")
    assert keyed.run("%models keys remove corp").text.startswith("the key of corp is gone from /")
    assert keyed.run("%models keys remove corp").text == "there is no kept key of corp"
    assert keyed.run("%models keys").text == "no keys: %models keys set PROVIDER asks for one"


def test_a_variable_comes_first_and_is_told_of(start_kernel: Callable[..., Kernel]) -> None:
    """With a variable set, a kept key is shadowed: the answer says so, and what takes the kept one."""
    kernel = start_kernel(PERPLEXITY_API_KEY=ONE, PYTHON_KEYRING_BACKEND="keyring.backends.null.Keyring")
    ran, _ = typed(kernel, "%models keys set perplexity", TWO)
    assert "; $PERPLEXITY_API_KEY comes before it: %models keys use perplexity default takes this one" in ran.stdout
    assert kernel.run("%models keys use perplexity default").text == "perplexity is asked with the key default (…abcd)"
    ran = kernel.run("%models keys remove perplexity")
    assert ran.text.endswith("; $PERPLEXITY_API_KEY is in use now")
    assert "$PERPLEXITY_API_KEY has one, which is not modelhub's" in kernel.run("%models keys remove perplexity").text


def test_where_nobody_can_be_asked(keyed: Kernel) -> None:
    """A front end that cannot be asked gets one line with the variable to be set; so does one without a variable."""
    assert (
        "set the environment variable GROQ_API_KEY before the kernel starts" in keyed.run("%models keys set groq").error
    )
    assert 'hub().providers.keys.set("corp", key)' in keyed.run("%models keys set corp").error


def test_a_key_that_is_refused(keyed: Kernel) -> None:
    """`test` says with which key it asked, what came, and the command that mends it; the answer repeats no key."""
    body = {"error": {"message": f"Incorrect API key provided: {ONE}", "code": "invalid_api_key"}}
    refused = Reply(json.dumps(body).encode(), 401, {"content-type": "application/json"})
    with serve(refused) as server:
        assert keyed.run(f"%models provider add corp --base-url {server.url}/v1").ok
        typed(keyed, "%models keys set corp", ONE)
        ran = keyed.run("%models keys test corp")
    assert ran.text.startswith("corp with the key default (…6789): ") and ran.text.count("%models keys set corp") == 1
    assert "canary" not in str(ran) and server.requests[-1].headers["authorization"] == f"Bearer {ONE}"


def test_the_next_request_has_the_new_key(keyed: Kernel) -> None:
    """A key that is set anew goes with the next request of the same kernel."""
    with serve(Reply(b'{"object": "list", "data": []}', headers={"content-type": "application/json"})) as server:
        keyed.run(f"%models provider add corp --base-url {server.url}/v1")
        for key in (ONE, TWO):
            typed(keyed, "%models keys set corp", key)
            keyed.run("%models keys test corp")
            assert server.requests[-1].headers["authorization"] == f"Bearer {key}"


def test_wrong_words(keyed: Kernel) -> None:
    """What is typed wrong is told of in one line, with the nearest right word."""
    for line, said in (
        ("sett openai", "Did you mean 'set'"),
        ("set", "%models keys set takes a provider"),
        ("set opnai", "Did you mean 'openai'?"),
        ("use corp x", "corp has no key that is called 'x'"),
        ("remove nobody", "there is no provider 'nobody'"),
        ("set corp a b", "the name of one"),
        ("use corp --file", "--file belongs to %models keys set"),
        ("set corp --file --session", "a key is kept in one place"),
        ("set corp two/words", "a key's name is letters"),
    ):
        assert said in keyed.run(f"%models keys {line}").error, line


def test_tab(keyed: Kernel) -> None:
    """Tab offers what can be done, then providers, then the names of their keys, and flags behind a dash."""
    typed(keyed, "%models keys set corp work", ONE)
    assert keyed.complete("%models keys ") == ["list", "remove", "set", "test", "use"]
    assert "corp" in keyed.complete("%models keys set c") and "groq" in keyed.complete("%models keys use g")
    assert keyed.complete("%models keys use corp ") == ["work"]
    assert keyed.complete("%models keys set corp --") == ["--file", "--keyring", "--session"]


def test_a_question_with_a_key_in_it_is_not_sent(keyed: Kernel) -> None:
    """A chat that would take a key of the user's to a provider is refused, also where a variable puts it in."""
    with serve(Reply(b"{}")) as server:
        keyed.run(f"%models provider add corp --base-url {server.url}/v1")
        typed(keyed, "%models keys set corp", ONE)
        before = len(server.requests)
        keyed.run("word = ''.join(['sk-canary', '-one-0123456789'])")
        for cell in ("%%chat -m corp/x\nIs {{word}} right?", "modelhub.hub().chat('x', system=word, model='corp/x')"):
            ran = keyed.run(f"import modelhub\n{cell}" if "hub()" in cell else cell)
            assert "has a key of yours in it (…6789), and was not sent" in ran.error
        assert len(server.requests) == before
