"""`%models` in JupyterLab: a bar that moves and goes, Stop, a question in the page, and Tab."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Locator

from modelhub.kernels.catalog.catalog import PACKAGED
from tests.browser.conftest import OpenNotebook
from tests.browser.notebook import SECONDS, Notebook
from tests.hub_server import HubStandIn

FILE = "tiny-chat.Q8_0.gguf"
HALF = 2_000_000


@pytest.fixture
def repository(request: pytest.FixtureRequest) -> str:
    """One of its own for each test: they share a models home."""
    return f"browser/{request.node.name.replace('_', '')[4:24]}-GGUF"


@pytest.fixture
def hub(repository: str) -> Iterator[HubStandIn]:
    """A Hub that sends half of the file and then holds."""
    with HubStandIn({repository: {FILE: (PACKAGED / "tiny-chat.gguf").read_bytes()}}) as hub:
        hub.faults.gate, hub.faults.hold_after = threading.Event(), HALF
        yield hub


def release(hub: HubStandIn) -> None:
    """Let it send the rest."""
    assert hub.faults.gate is not None
    hub.faults.gate.set()


def begin(hub: HubStandIn) -> str:
    """The cell that loads modelhub and asks `hub`."""
    return f"import os\nos.environ['HF_ENDPOINT'] = {hub.url!r}\n%load_ext modelhub"


def bar(notebook: Notebook, index: int) -> Locator:
    """The progress bar of a cell."""
    return notebook.output(index).locator("progress")


def wait_half(notebook: Notebook, index: int) -> None:
    """Wait until the bar of a cell says that half is here."""
    bar(notebook, index).wait_for(timeout=SECONDS * 1000)
    notebook.page.wait_for_function(
        "() => [...document.querySelectorAll('progress')].some(p => p.value > 0.4 && p.value < 1)",
        timeout=SECONDS * 1000,
    )


def kept(notebook: Notebook, index: int) -> list[dict[str, Any]]:
    """What the saved notebook keeps of a cell's displays."""
    outputs: list[dict[str, Any]] = notebook.save()["cells"][index]["outputs"]
    return [o["data"] for o in outputs if "data" in o]


def test_a_bar_moves_and_one_line_remains(open_notebook: OpenNotebook, hub: HubStandIn, repository: str) -> None:
    """`pull` shows a bar that moves; at its end the line with the name to ask is in its place, also when saved."""
    notebook = open_notebook(
        [begin(hub), f"%models pull {repository}", f"%%chat -t 0 -m {repository}:Q8_0\nWhat is the capital of France?"]
    )
    notebook.run(0)
    notebook.start(1)
    wait_half(notebook, 1)
    assert "of 3.8 MB, " in notebook.output(1).inner_text()
    release(hub)
    notebook.wait_end(1)
    assert bar(notebook, 1).count() == 0 and notebook.error(1) == ""
    (line,) = kept(notebook, 1)
    name = f"{repository}:Q8_0"
    assert "".join(line["text/plain"]) == f"{name} is here: 3.8 MB, sha256 verified. Ask it with %%chat -m {name}"
    assert "Paris" in notebook.run(2).inner_text()


def test_a_bar_in_the_background_lets_other_cells_run(
    open_notebook: OpenNotebook, hub: HubStandIn, repository: str
) -> None:
    """While `pull --background` holds at its half, a cell chats; the bar then ends by itself in its own cell."""
    notebook = open_notebook(
        [begin(hub), f"%models pull {repository} --background", "%%chat -t 0\nWhat is the capital of France?"]
    )
    notebook.run(0)
    notebook.run(1)
    assert "Paris" in notebook.run(2).inner_text()
    wait_half(notebook, 1)
    release(hub)
    notebook.output(1).get_by_text("is here: 3.8 MB").wait_for(timeout=SECONDS * 1000)
    assert bar(notebook, 1).count() == 0


def test_stop_takes_the_bar_away_and_the_next_pull_finishes(
    open_notebook: OpenNotebook, hub: HubStandIn, repository: str
) -> None:
    """Stop in mid-pull leaves one line and no bar; the same cell again fetches the rest only."""
    notebook = open_notebook([begin(hub), f"%models pull {repository}"])
    notebook.run(0)
    notebook.start(1)
    wait_half(notebook, 1)
    notebook.press_stop()
    notebook.wait_end(1)
    assert bar(notebook, 1).count() == 0
    assert notebook.error(1).startswith(f"Stopped: fetching {repository}:Q8_0 was stopped; what came is kept")
    assert "\n" not in notebook.error(1)
    release(hub)
    assert f"{repository}:Q8_0 is here" in notebook.run(1).inner_text() and notebook.error(1) == ""
    assert hub.sent[FILE] < 2 * HALF + 200_000, "the first half came twice"


def test_a_question_is_answered_in_the_page(open_notebook: OpenNotebook, hub: HubStandIn, repository: str) -> None:
    """`delete` asks in the page: `n` keeps the model, Stop at the question is one line, `y` deletes it."""
    release(hub)
    notebook = open_notebook(
        [
            begin(hub),
            f"%models pull {repository}",
            *[f"%models delete {repository}:Q8_0"] * 3,
            "t = %models\n[r['name'] for r in t]",
        ]
    )
    notebook.run(0)
    notebook.run(1)
    for index, answer in ((2, "n"), (3, None), (4, "y")):
        notebook.start(index)
        box = notebook.cell(index).locator("input.jp-Stdin-input")
        box.wait_for(timeout=SECONDS * 1000)
        if answer is None:
            notebook.press_stop()
        else:
            box.fill(answer)
            box.press("Enter")
        notebook.wait_end(index)
    assert f"delete {repository}:Q8_0 (3.8 MB)? [y/N]  n" in notebook.output(2).inner_text()
    assert "nothing was deleted" in notebook.output(2).inner_text()
    assert notebook.error(3) == "Stopped: %models delete was stopped"
    assert f"{repository}:Q8_0 was deleted" in notebook.output(4).inner_text()
    assert repository not in notebook.run(5).inner_text()


def test_tab_offers_verbs_names_and_flags(open_notebook: OpenNotebook) -> None:
    """Tab behind `%models` offers its verbs, behind `load` models, behind `pull --` flags, behind `-m` presets too."""
    notebook = open_notebook(["%load_ext modelhub\n%models derive tiny-chat --as teacher -t 0", "", "", "", ""])
    notebook.run(0)
    # JupyterLab draws the rows of a long list as they are scrolled to; these are short.
    assert {"pull", "prefer", "plugins", "ps"} <= set(notebook.complete(1, "%models p"))
    notebook.page.keyboard.press("Escape")
    assert "tiny-chat" in notebook.complete(2, "%models load ")
    notebook.page.keyboard.press("Escape")
    assert {"--quant", "--background", "--yes", "--list"} <= set(notebook.complete(3, "%models pull --"))
    notebook.page.keyboard.press("Escape")
    assert {"tiny-chat", "teacher"} <= set(notebook.complete(4, "%%chat -m "))
