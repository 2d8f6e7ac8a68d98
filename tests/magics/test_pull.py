"""`%models pull`, `cancel` and `browse` in a real kernel, against a Hub on this machine."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from modelhub.kernels.catalog.catalog import PACKAGED
from tests.catalog.downloading import FILE, ID, REPOSITORY, hold, models, part_files
from tests.hub_server import HubStandIn
from tests.kernel import Kernel, Ran

CONTENT = (PACKAGED / "tiny-chat.gguf").read_bytes()
HALF = 2_000_000
Start = Callable[..., Kernel]

# Waits in the kernel until so many bytes are here; the bar's thread is not what tells.
AWAIT = """
def reached(count):
    import modelhub
    (d,) = modelhub.hub().catalog.downloads.active()
    while d.received < count:
        d.wait(0.05)
"""


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[HubStandIn]:
    with HubStandIn({REPOSITORY: {FILE: CONTENT}}) as hub:
        yield hub


@pytest.fixture
def start(start_kernel: Start, hub: HubStandIn, tmp_path: Path) -> Start:
    """Starts kernels that ask the Hub on this machine."""

    def started(**environment: str) -> Kernel:
        kernel = start_kernel(HF_ENDPOINT=hub.url, HF_HOME=str(tmp_path / "hf"), HF_TOKEN="", **environment)
        assert kernel.run(AWAIT).ok
        return kernel

    return started


def fetchers(kernel: Kernel) -> list[psutil.Process]:
    """The processes that fetch for a kernel."""
    found = []
    for child in psutil.Process(kernel.pid).children(recursive=True):
        with contextlib.suppress(psutil.NoSuchProcess):
            if "modelhub.kernels.catalog.fetching.fetcher" in child.cmdline():
                found.append(child)
    return found


def lines(ran: Ran) -> list[str]:
    """What was shown, as text, as it came."""
    return [str(m["content"]["data"].get("text/plain", "")) for m in ran.of("display_data", "update_display_data")]


def bars(ran: Ran) -> list[float]:
    """The values of the progress bar, as they came."""
    shown = [m["content"]["data"].get("text/html", "") for m in ran.of("display_data", "update_display_data")]
    return [float(v) for page in shown for v in re.findall(r'<progress max="1" value="([\d.]+)"', page)]


def test_pull_fetches_and_the_model_answers(start: Start, hub: HubStandIn, home: Path) -> None:
    """`pull` shows what it would take and a bar, leaves one line with the name to ask, and that name answers."""
    hub.repositories[REPOSITORY]["tiny-chat.F16.gguf"] = CONTENT
    hub.faults.pause = 0.02
    kernel = start()
    ran = kernel.run(f"%models pull {REPOSITORY}")
    assert ran.ok, ran.error
    table, line = ran.outputs
    assert f"{ID} *" in table["text/plain"] and f"{REPOSITORY}:F16" in table["text/plain"]
    assert "fits" in table["text/plain"] and "<table>" in table["text/html"]
    assert line["text/plain"] == f"{ID} is here: 3.8 MB, sha256 verified. Ask it with %%chat -m {ID}"
    assert bars(ran) == sorted(bars(ran)) and bars(ran)
    asked = kernel.run(f"%%chat -t 0 --max-tokens 4 -m {ID}\nhi")
    assert asked.ok, asked.error
    row = kernel.value(
        f"[(r['state'], r['from']) for r in get_ipython().run_line_magic('models', '') if r['name'] == {ID!r}]"
    )
    assert row == "[('running', 'models home')]"
    again = kernel.run(f"%models pull {REPOSITORY} --quant q8_0")
    assert again.text == f"{ID} is here already: 3.8 MB, sha256 verified. Ask it with %%chat -m {ID}"


def test_nothing_but_the_end_where_outputs_are_compared(start: Start, hub: HubStandIn) -> None:
    """With MODELHUB_STREAM=final a cell that pulls has one output, the same on every machine."""
    hub.repositories[REPOSITORY]["tiny-chat.F16.gguf"] = CONTENT
    kernel = start(MODELHUB_STREAM="final")
    ran = kernel.run(f"%models pull {REPOSITORY}")
    assert [m["msg_type"] for m in ran.messages] == ["display_data"]
    background = kernel.run(f"%models pull {REPOSITORY}:F16 --background")
    assert [m["msg_type"] for m in background.messages] == ["display_data"]
    assert background.text == f"fetching {REPOSITORY}:F16 in the background; %models shows how far it is"
    assert ran.text == f"{ID} is here: 3.8 MB, sha256 verified. Ask it with %%chat -m {ID}"


def test_the_list_of_what_there_is(start: Start, hub: HubStandIn) -> None:
    """`--list` is a table of sizes, quantisations and fit, and fetches nothing."""
    hub.repositories[REPOSITORY]["tiny-chat.Q4_0.gguf"] = CONTENT[:-32]
    kernel = start()
    assert kernel.run(f"t = %models pull {REPOSITORY} --list").ok
    found = eval(kernel.value("[(r['name'], r['quantisation'], r['size'], r['fit']) for r in t]"))
    assert found == [
        (f"{REPOSITORY}:Q4_0", "Q4_0", len(CONTENT) - 32, "fits"), (ID, "Q8_0", len(CONTENT), "fits"),
    ]  # fmt: skip
    assert kernel.value("t.note.splitlines()[0]") == "'* would be taken: it is nearest to Q4_K_M, which is not there'"
    assert hub.sent == {}


def test_large_models_are_asked_for(start: Start, hub: HubStandIn) -> None:
    """Above 1 GB the user is asked; where nobody can be asked the line says to add --yes, and nothing is fetched."""
    hub.faults.sizes[FILE] = 1_500_000_000
    kernel = start()
    ran = kernel.run(f"%models pull {REPOSITORY}")
    assert f"{ID} has 1.5 GB, fits: about" in ran.error, ran.error
    assert ran.error.endswith(f"cannot be asked; type %models pull {REPOSITORY} --yes") and "\n" not in ran.error
    answering = "import builtins\nbuiltins.input = lambda prompt: print(prompt) or {!r}\n%models pull {}"
    ran = kernel.run(answering.format("n", REPOSITORY))
    assert ran.text == "nothing was fetched"
    assert f"fetch {ID} (1.5 GB, fits: about" in ran.stdout
    assert hub.sent == {}
    ran = kernel.run(answering.format("y", REPOSITORY))
    assert "too small: 1,500,000,000 bytes were announced" in ran.error
    assert "too small" in kernel.run(f"%models pull {REPOSITORY} --yes").error


def test_the_stop_button_stops_and_the_same_again_goes_on(start: Start, hub: HubStandIn, home: Path) -> None:
    """An interrupt ends the download with its process, keeps what came, and the same command goes on from there."""
    gate = hold(hub, HALF)
    kernel = start()
    ran = kernel.run(f"%models pull {REPOSITORY}", interrupt=lambda ran: any(v > 0.5 for v in bars(ran)))
    assert ran.error == f"Stopped: fetching {ID} was stopped; what came is kept, and the same again goes on from there"
    assert fetchers(kernel) == []
    assert [p.stat().st_size for p in part_files(home)] == [HALF]
    gate.set()
    assert kernel.run(f"%models pull {REPOSITORY}").ok
    assert hub.requests[-1][2] == f"bytes={HALF}-"
    assert (home / "models" / REPOSITORY / "Q8_0" / FILE).read_bytes() == CONTENT


def test_in_the_background(start: Start, hub: HubStandIn, home: Path) -> None:
    """`--background` gives the cell back; the list shows the per cent, asking is refused with it, `cancel` stops it."""
    gate = hold(hub, HALF)
    kernel = start()
    assert kernel.run(f"%models pull {REPOSITORY} --background").ok
    assert kernel.run(f"reached({HALF})").ok
    assert re.search(rf"{ID}\s+local\s+3.8 MB\s+Q8_0\s+downloading 52%", kernel.run("%models").text)
    assert (
        "StateConflict: modelhub/tiny-chat-GGUF:Q8_0 is being fetched, 52 % are here"
        in kernel.run(f"%%chat -m {ID}\nhi").error
    )
    assert ID in kernel.complete("%models cancel mod")
    assert kernel.run("%models cancel").text.splitlines()[1].split() == [ID, "downloading", "2.0", "MB", "3.8", "MB"]
    said = kernel.run(f"%models cancel {ID}").text
    assert said == f"fetching {ID} was stopped at 2.0 MB; %models pull {ID} goes on from there"
    assert fetchers(kernel) == []
    assert "stopped" in kernel.run("%models cancel").text
    gate.set()
    hub.faults.gate = None
    assert kernel.run(f"%models pull {ID} --background").ok
    assert kernel.run("import modelhub\nfor d in modelhub.hub().catalog.downloads.active(): d.result()").ok
    assert kernel.run(f"%%chat -t 0 --max-tokens 1 -m {ID}\nhi").ok


def test_what_was_stopped_can_be_deleted(start: Start, hub: HubStandIn, home: Path) -> None:
    """`cancel --drop` deletes what came, of a download that runs or of one that was stopped before."""
    hold(hub, HALF)
    kernel = start()
    kernel.run(f"%models pull {REPOSITORY} --background\nreached({HALF})")
    assert kernel.run(f"%models cancel {ID} --drop").text == f"what came of {ID}, 2.0 MB, was deleted"
    assert part_files(home) == []
    assert kernel.run("%models cancel").text == "nothing is on its way, and nothing is unfinished"
    assert "nothing is kept of x" in kernel.run("%models cancel x --drop").error


def test_a_plain_file_and_a_wrong_one(start: Start, hub: HubStandIn) -> None:
    """An address is fetched too; what is no GGUF is one line."""
    hub.plain |= {"one.gguf": CONTENT, "two.gguf": b"<html>"}
    kernel = start()
    done = kernel.run(f"%models pull {hub.plain_url('one.gguf')}")
    assert done.text == "one is here: 3.8 MB, no hash was announced to verify. Ask it with %%chat -m one", done.error
    wrong = kernel.run(f"%models pull {hub.plain_url('two.gguf')}")
    assert (
        wrong.error.startswith("DownloadFailed: two.gguf was not fetched: a web page came") and "\n" not in wrong.error
    )


def test_two_kernels_share_one_download(start: Start, hub: HubStandIn, home: Path) -> None:
    """The second kernel that asks for a file shows how far the first is, and both have it in the end, sent once."""
    gate = hold(hub, HALF)
    one, other = start(), start()
    one.run(f"%models pull {REPOSITORY} --background\nreached({HALF})")
    shared: list[Ran] = []

    def follows(ran: Ran) -> bool:
        if not shared and any("2.0 MB of 3.8 MB, 52 %, another kernel fetches it" in text for text in lines(ran)):
            shared.append(ran)
            gate.set()
        return False

    ended = other.run(f"%models pull {REPOSITORY}", interrupt=follows)
    assert shared, ended.messages
    assert ended.ok, ended.error
    assert one.run("import modelhub\nfor d in modelhub.hub().catalog.downloads.active(): d.result()").ok
    assert hub.sent[FILE] == len(CONTENT)
    assert models(home) == [f"{REPOSITORY}/Q8_0/model.json", f"{REPOSITORY}/Q8_0/{FILE}"]


def test_a_killed_kernel_leaves_nothing_that_writes_and_the_other_goes_on(
    start: Start, hub: HubStandIn, home: Path
) -> None:
    """When the kernel that fetches is killed its process ends too; the one that waited fetches the rest."""
    gate = hold(hub, HALF)
    one, other = start(), start()
    one.run(f"%models pull {REPOSITORY} --background\nreached({HALF})")
    (fetcher,) = fetchers(one)
    ended: list[bool] = []

    def kill(ran: Ran) -> bool:
        if not ended and any("another kernel fetches it" in text for text in lines(ran)):
            psutil.Process(one.pid).kill()
            psutil.wait_procs([fetcher], timeout=10)  # alone it would notice after 20 seconds without a byte
            ended.append(not fetcher.is_running() or fetcher.status() == psutil.STATUS_ZOMBIE)
            gate.set()
        return False

    ran = other.run(f"%models pull {REPOSITORY}", interrupt=kill)
    assert ended == [True] and ran.ok, ran.error
    assert hub.requests[-1][2] == f"bytes={HALF}-"
    assert (home / "models" / REPOSITORY / "Q8_0" / FILE).read_bytes() == CONTENT


def test_what_failed_is_tried_again_by_its_name(start: Start, hub: HubStandIn) -> None:
    """A download that failed is in the list as failed, its name says why, and to pull that name tries just it again."""
    hub.repositories[REPOSITORY]["tiny-chat.Q4_K_M.gguf"] = CONTENT
    hub.faults.html = True
    kernel = start()
    assert "a web page came" in kernel.run(f"%models pull {REPOSITORY}:Q8_0").error
    assert re.search(rf"{ID}\s.*\sfailed", kernel.run("%models").text)
    said = kernel.run(f"%%chat -m {ID}\nhi").error
    assert f"{ID} is not here" in said and "a web page came" in said and f"%models pull {ID} tries again" in said
    hub.faults.html = False
    assert kernel.run(f"%models pull {ID}").text.startswith(f"{ID} is here: 3.8 MB")


def test_browse(start: Start, hub: HubStandIn) -> None:
    """`browse` lists well-known models with size, licence and fit, narrows by words and state, and asks the Hub."""
    kernel = start()
    assert kernel.run("t = %models browse qwen2.5 code").ok
    assert kernel.value("sorted(r['name'] for r in t)") == "['qwen2.5-coder-1.5b', 'qwen2.5-coder-7b']"
    assert kernel.value("({r['licence'] for r in t}, {r['state'] for r in t})") == "({'apache-2.0'}, {'downloadable'})"
    assert "about 4.7 GB" in kernel.run("%models browse coder-7b").text
    assert kernel.run("%models browse qwen --state downloaded").text.startswith("no well-known model fits 'qwen'")
    assert "Did you mean 'downloaded'" in kernel.run("%models browse --state downloded").error
    assert kernel.run("t = %models browse --online tiny").ok
    assert kernel.value("[(r['name'], r['licence']) for r in t]") == f"[({REPOSITORY!r}, 'apache-2.0')]"
    assert kernel.run("%models browse --online nothing").text == "the Hub finds no GGUFs for 'nothing'"


def test_a_well_known_name(start: Start, hub: HubStandIn) -> None:
    """A name of the list says how to fetch it, is fetched by that name, answers to it, and is then downloaded."""
    hub.repositories["bartowski/SmolLM2-135M-Instruct-GGUF"] = {"SmolLM2-135M-Instruct-Q4_K_M.gguf": CONTENT}
    kernel = start()
    before = kernel.run("%%chat -m smollm2-135m\nhi")
    assert "smollm2-135m is not on this machine yet; %models pull smollm2-135m gets it" in before.error
    assert kernel.run("%models pull smollm2-135m").ok
    assert kernel.run("%%chat -t 0 --max-tokens 1 -m smollm2-135m\nhi").ok
    assert "smollm2-135m" in kernel.run("%models browse --state downloaded").text


@pytest.mark.parametrize(
    ("line", "parts"),
    [
        ("%models pull", ["%models pull needs owner/repo", "%models browse"]),
        ("%models pull tiny", ["needs owner/repo, owner/repo:QUANT, an https:// address", "got 'tiny'"]),
        ("%models pull a/b:Q4_0 --quant Q8_0", ["two quantisations were named: 'Q4_0' and 'Q8_0'"]),
        ("%models pull qwen2.5-0.5 --yes", ["Did you mean 'qwen2.5-0.5b'"]),
        ("%models pull a/b --bakground", ["no flag --bakground", "Did you mean '--background'"]),
        ("%models pull a/b", ["a/b was not fetched: there is no such repository, or it is private"]),
        ("%models cancel x", ["x is not being fetched", "Nothing is on its way"]),
    ],
)
def test_what_cannot_be_fetched_is_one_line(one_hub_kernel: Kernel, line: str, parts: list[str]) -> None:
    """A wrong line says what was expected and what to type."""
    ran = one_hub_kernel.run(line)
    assert all(p in ran.error for p in parts), ran.error
    assert "\n" not in ran.error


@pytest.fixture(scope="module")
def one_hub_kernel(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kernel]:
    """One kernel for the wrong lines."""
    home = tmp_path_factory.mktemp("home")
    with HubStandIn({}) as hub:
        kernel = Kernel(
            {"MODELHUB_HOME": str(home), "HF_ENDPOINT": hub.url, "HF_HOME": str(home / "hf"), "HF_TOKEN": ""}
        )
        assert kernel.run("%load_ext modelhub").ok
        yield kernel
        kernel.stop()


def test_a_document_s_model_is_pulled_by_its_name(start: Start, hub: HubStandIn, tmp_path: Path) -> None:
    """A model that a document describes is fetched by the name it has there, and is asked as the document says."""
    kernel = start()
    document = tmp_path / "mine.json"
    document.write_text(
        f'{{"origin": "{REPOSITORY}", "download_url": "{FILE}", '
        '"parameters": {"init": {"user_prompt": "U: ", "ai_prompt": "A: "}}}'
    )
    assert "downloadable" in kernel.run(f"%models import {document}").text
    assert kernel.run("%%chat -m mine\nHi").error.endswith("its file is not here: type %models pull mine")
    assert kernel.run("%models pull mine").ok
    assert kernel.run("import modelhub\nr = modelhub.chat('Hi', model='mine', max_tokens=2)\nr.text()").ok
    assert kernel.value("r.debug['prompt']").endswith("U: Hi\\nA: '")
    assert kernel.value("modelhub.hub().catalog.find('mine').state").startswith("<State.DOWNLOADED")
