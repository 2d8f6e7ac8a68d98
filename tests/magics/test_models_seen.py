"""What `%models` shows is made to be read: nothing twice, nothing that breaks a table, one line where it is stopped."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from modelhub.kernels.catalog.catalog import PACKAGED
from tests.hub_server import HubStandIn
from tests.kernel import Kernel

Start = Callable[..., Kernel]
CONTENT = (PACKAGED / "tiny-chat.gguf").read_bytes()
REPOSITORY = "seen/tiny-chat-GGUF"


@pytest.fixture
def hub() -> Iterator[HubStandIn]:
    with HubStandIn({REPOSITORY: {"tiny-chat.Q8_0.gguf": CONTENT, "tiny-chat.F16.gguf": CONTENT}}) as hub:
        yield hub


@pytest.fixture
def kernel(start_kernel: Start, hub: HubStandIn) -> Kernel:
    return start_kernel(HF_ENDPOINT=hub.url, HF_TOKEN="")


def test_who_has_chosen_is_not_shown_the_choice(kernel: Kernel) -> None:
    """A quantisation that was named is fetched and said in one line; where modelhub takes one, the table says which."""
    named = kernel.run(f"%models pull {REPOSITORY}:F16")
    assert named.ok, named.error
    (line,) = named.outputs
    assert line["text/plain"].startswith(f"{REPOSITORY}:F16 is here")
    table, _line = kernel.run(f"%models pull {REPOSITORY}").outputs
    assert "* is taken: " in table["text/plain"]


def test_a_cancelled_download_says_what_is_here(kernel: Kernel, hub: HubStandIn) -> None:
    """What `cancel` says of a download that got nothing, and that `pull` begins anew."""
    hub.faults.gate = threading.Event()
    pulled = kernel.run(f"%models pull {REPOSITORY}:F16 --background")
    assert pulled.ok, pulled.error
    said = kernel.run(f"%models cancel {REPOSITORY}:F16").text
    assert (
        said == f"fetching {REPOSITORY}:F16 was stopped before anything came; %models pull {REPOSITORY}:F16 begins anew"
    )


def test_load_shows_the_context_it_loaded_with(kernel: Kernel) -> None:
    """The row of a model that was loaded has the context it was given, and no mark that is not explained."""
    shown = kernel.run("t = %models load tiny-chat -c 512\nt")
    assert shown.ok, shown.error
    assert kernel.value("t[0]['context']") == "512"
    assert " 512 " in shown.text and "*" not in shown.text


def test_a_preset_with_a_template_stays_one_row(kernel: Kernel, tmp_path: Path) -> None:
    """A long setting is cut where rows are shown; `show` and the value have all of it."""
    template = tmp_path / "long.jinja"
    template.write_text("{% for m in messages %}{{ m.content }}{% endfor %}" * 10)
    made = kernel.run(f"%models derive tiny-chat --as long --chat-template {template}")
    assert made.ok, made.error
    listed = kernel.run("t = %models list long\nt")
    assert len(listed.text.splitlines()[1]) < 220 and "…" in listed.text
    assert int(kernel.value("len(t[0]['from'])")) > 400


def test_names_and_sizes_stay_in_one_line(kernel: Kernel) -> None:
    """A front end breaks the long texts of a table and not `about 118 MB`."""
    page = kernel.run("%models browse smollm2").outputs[0]["text/html"]
    assert ';white-space:nowrap">about 118 MB<' in page
    assert '"text-align:left">English answers on small machines, open data and training.<' in page


def test_the_notes_of_a_folder_name_files_of_it(kernel: Kernel, tmp_path: Path) -> None:
    """Importing a folder says the path of the folder once, not at each of its notes."""
    folder = tmp_path / "taken"
    folder.mkdir()
    address = "http://127.0.0.1:9/a.gguf"
    (folder / "a.json").write_text(f'{{"id": "a", "object": "model", "source_url": "{address}", "colour": "red"}}')
    ran = kernel.run(f"t = %models import {folder}\nt.note")
    assert ran.ok, ran.error
    assert "a.json" in ran.text and "colour" in ran.text and str(folder) not in ran.text


def test_an_interrupt_of_any_verb_is_one_line(kernel: Kernel, tmp_path: Path) -> None:
    """Stop while a verb does something that is neither a download nor a load: one line and no traceback."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)  # reading it waits for somebody who writes
    code = f"print('at it')\n%models load tiny-chat --chat-template {pipe}"
    ran = kernel.run(code, interrupt=lambda ran: "at it" in ran.stdout)
    assert ran.error == "Stopped: %models load was stopped"
