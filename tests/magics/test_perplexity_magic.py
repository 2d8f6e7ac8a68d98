"""`%perplexity` and `%%perplexity` in a real kernel: where the text comes from, what is shown, what is refused."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from modelhub.kernels.perplexity import Perplexity
from modelhub.magics.completer import complete
from modelhub.magics.options import help_text
from modelhub.magics.perplexity import HELP, OPTIONS
from modelhub.nbext.perplexity import MIME, SHOWN, bundle
from tests.kernel import Kernel, Ran
from tests.nbext.answers import Page

TEXT = "The capital of France is Paris."


@pytest.fixture
def long_text(tmp_path: Path) -> Path:
    """A text that takes the packaged model many seconds to read."""
    path = tmp_path / "long text.txt"
    path.write_text("The cat sat on the mat. " * 8000, "utf-8")
    return path


def value(room: Kernel, expression: str) -> Any:
    return eval(room.value(expression))


def text_read(room: Kernel, code: str) -> str:
    """The text that a cell has read, put into `p`."""
    ran = room.run(code)
    assert ran.ok, ran.error
    return str(value(room, "p.text"))


def test_a_text_on_the_line(room: Kernel) -> None:
    """The value is a Perplexity, shown once: one line of figures, the tinted tokens, the record."""
    ran = room.run(f"%perplexity --set p {TEXT}")
    assert ran.ok, ran.error
    (output,) = ran.outputs
    assert set(output) == {"text/plain", "text/html", MIME}
    assert not ran.stdout
    assert output["text/plain"].splitlines()[0] == room.value("p")
    record = output[MIME]
    assert record["perplexity"] == pytest.approx(value(room, "p.perplexity"), abs=1e-5)
    assert "".join(e["token"] for e in record["entries"]) == TEXT
    assert len(record["entries"][1]["top_logprobs"]) == 5
    assert room.value(f"Out[{ran.reply['execution_count']}] is p") == "True"
    assert room.run("p").outputs[0] == output


@pytest.mark.parametrize(
    ("code", "wanted"),
    [
        (f"%perplexity --set p {TEXT}", TEXT),
        ("%perplexity --set p Is it far?", "Is it far?"),
        ("%%perplexity --set p\n  two\n\n lines <|im_end|>\n\n", "  two\n\n lines <|im_end|>\n"),
        ("%%perplexity --set p is it on the line\n\n", "is it on the line"),
        ("w = '  spaced out\\n'\n%perplexity --set p {{w}}", "  spaced out\n"),
        ("w = 'word'\n%perplexity --set p a {{w}} \\{{w}}", "a word {{w}}"),
        ("%perplexity --set p --no-interp a {{w}}", "a {{w}}"),
        ("p = %perplexity -m local/tiny-chat -- -x is a flag", "-x is a flag"),
    ],
)
def test_the_text_is_what_was_written(room: Kernel, code: str, wanted: str) -> None:
    """A line, a body, a variable and a mark at the end are read as they stand; only the cell's own newline goes."""
    assert text_read(room, code) == wanted


def test_a_file_is_read(room: Kernel, tmp_path: Path) -> None:
    """--file reads UTF-8 with blanks in its name, line ends kept, braces left alone, a byte order mark dropped."""
    path = tmp_path / "my text.txt"
    path.write_bytes("\ufeffgröße {{x}}\r\nand more\n".encode())
    assert text_read(room, f"%perplexity --set p --file '{path}'") == "größe {{x}}\r\nand more\n"
    assert text_read(room, f"%%perplexity --set p --file '{path}'\n\n") == "größe {{x}}\r\nand more\n"


def test_windows_and_alternatives(room: Kernel) -> None:
    """The flags are what the hub was asked with."""
    ran = room.run(f"%perplexity --window 6 --stride 2 --top 2 --set p {TEXT * 3}")
    assert value(room, "(p.window, p.stride, len(p.entries[1]['top_logprobs']))") == (6, 2, 2)
    assert "window 6, stride 2" in ran.text and "it was read in" in ran.text
    room.run(f"%perplexity --top 0 --set p {TEXT}")
    assert value(room, "p.entries[1]['top_logprobs']") == []


def test_braces_that_are_no_name_are_warned_of(room: Kernel) -> None:
    """What looks like a place for a value and is none is read as it stands, and said."""
    ran = room.run("%perplexity --set p a {{w.upper}} b")
    assert text_read(room, "p") == "a {{w.upper}} b"
    assert "({{w.upper}} was sent as it stands" in ran.text


@pytest.mark.parametrize(
    ("code", "says"),
    [
        ("%perplexity", "%perplexity has nothing to read: write the text behind the flags, or use --file PATH"),
        ("%%perplexity\n  \n", "%%perplexity has nothing to read: write the text on the lines below it"),
        ("w = ''\n%perplexity {{w}}", "the text is empty: there is nothing to score"),
        ("%perplexity a", "tiny-chat: a text to score needs two tokens at least"),
        ("%perplexity {{no_such}}", "there is no variable 'no_such'"),
        ("%perplexity --file /no/such/file", "--file needs a text file; '/no/such/file' is not there"),
        ("%perplexity --file .", "--file needs a text file; '.' is a folder"),
        ("%perplexity --file /dev/zero", "--file needs a text file; '/dev/zero' is no plain file"),
        ("%perplexity --file {binary}", "is none: it has the byte 0xff at 2"),
        ("%perplexity --file {zeros}", "is a binary file: it has zero bytes"),
        ("%perplexity --file {empty}", "is empty: there is nothing to read"),
        ("%perplexity --file {large}", "--file takes at most 8,388,608 bytes"),
        ("%perplexity --file {empty} and a text", "%perplexity reads one text: --file or the line"),
        ("%%perplexity a line\nand a body", "%%perplexity reads one text: --file, the line or the lines below it"),
        ("%perplexity --window 1 some text", "window must be a whole number from 2; got 1"),
        ("%perplexity --window 4 --stride 4 some text", "stride must be less than the window"),
        ("%perplexity --window 99999 some text", "window must be from 2 to 1024"),
        ("%perplexity --window many some text", "--window needs a whole number; got 'many'"),
        ("%perplexity --top 21 some text", "top must be a whole number from 0 to 20; got 21"),
        ("%perplexity --set 5x some text", "--set needs the name of a variable; got '5x'"),
        ("%perplexity -m nosuch some text", "no model is named 'nosuch'"),
        ("%perplexity --windw 5 some text", "%perplexity has no flag --windw. Did you mean '--window'"),
        ("w = '\\ud800'\n%perplexity a {{w}}", "text must be whole characters"),
    ],
)
def test_what_is_wrong_is_one_line(room: Kernel, tmp_path: Path, code: str, says: str) -> None:
    """The cell fails with one line that says what to do; nothing is shown and no variable is set."""
    for name, raw in {"binary": b"GG\xff", "zeros": b"a\0b", "empty": b"", "large": b"a" * (1 + (8 << 20))}.items():
        (tmp_path / name).write_bytes(raw)
        code = code.replace(f"{{{name}}}", str(tmp_path / name)) if "{{" not in code else code
    ran = room.run(code.replace("%perplexity ", "%perplexity --set kept ", 1) if "--set" not in code else code)
    (line,) = (line for m in ran.of("error") for line in m["content"]["traceback"])
    assert says in line and "\n" not in line and len(line) < 400
    assert ran.outputs == [] and room.value("'kept' in globals()") == "False"


def test_long_work_shows_how_far_it_is_and_stops(room: Kernel, long_text: Path) -> None:
    """While it reads it counts tokens; an interrupt is one line, leaves nothing behind and frees the worker."""

    def begun(ran: Ran) -> bool:
        return any("tokens read" in str(o["text/plain"]) for o in ran.outputs)

    ran = room.run(f"%perplexity --set kept --file '{long_text}'", interrupt=begun)
    assert ran.error == "Stopped: reading the text was stopped; what came is dropped"
    assert [o["text/plain"] for o in ran.outputs] == [""]
    assert room.value("'kept' in globals()") == "False"
    free = "import modelhub\nwhile any(row['requests'] for row in modelhub.hub().status()): pass"
    assert room.run(free).ok
    assert room.run(f"%perplexity {TEXT}").ok


def test_the_result_takes_the_place_of_the_progress(room: Kernel, long_gguf: Path, tmp_path: Path) -> None:
    """What shows how far it is becomes the result: one output, and the worker loads on the way."""
    (tmp_path / "t.txt").write_text("abcd" * 5000, "utf-8")
    ran = room.run(f"%perplexity --top 0 -m {long_gguf} --window 256 --file {tmp_path}/t.txt")
    assert ran.ok, ran.error
    assert len(ran.of("update_display_data")) > 1
    (output,) = ran.outputs
    assert output[MIME]["tokens"] == 19_999
    page = Page(output["text/html"])
    assert page.tags.count("span") == SHOWN == len(output[MIME]["entries"])
    assert "the first 2,000 of 20,000 tokens" in page.text
    assert len(output["text/html"]) < 150 * SHOWN
    room.run(f"%models unload {long_gguf}")


def test_in_ci_only_the_result_is_shown(start_kernel: Callable[..., Kernel], long_text: Path) -> None:
    """With MODELHUB_STREAM=final nothing is shown before the end."""
    kernel = start_kernel(MODELHUB_STREAM="final")
    long_text.write_text("The cat sat on the mat. " * 700, "utf-8")
    ran = kernel.run(f"%perplexity --file '{long_text}'")
    assert ran.ok, ran.error
    assert [m["msg_type"] for m in ran.messages] == ["display_data"]


def test_it_runs_where_cells_run_inside_cells(room: Kernel) -> None:
    """%%time, %%capture and run_cell_magic run it as any other magic."""
    assert MIME in room.run(f"%%time\n%perplexity {TEXT}").outputs[-1]
    assert MIME in room.run(f"get_ipython().run_cell_magic('perplexity', '', {TEXT!r})").outputs[0]
    assert room.run(f"%%capture c\n%perplexity {TEXT}").outputs == []
    assert room.value("[sorted(o.data) for o in c.outputs if o.data]") == repr(
        [sorted([MIME, "text/html", "text/plain"])]
    )


def entry(token: str, logprob: float | None) -> dict[str, Any]:
    return {"token": token, "id": 9, "bytes": list(token.encode()), "logprob": logprob, "top_logprobs": []}


def test_the_view_tints_by_surprise() -> None:
    """The first token has no tint, the others that of their probability; the rare ones are listed; text is harmless."""
    tokens = [("<b>First", None), (" sure", math.log(0.95)), (" <script>odd", math.log(0.01)), ("\u202e", -9999.0)]
    entries = [entry(token, logprob) for token, logprob in tokens]
    text = "".join(token for token, _ in tokens)
    data = bundle(Perplexity("m<i>", text, entries, 8, 4, 1, False, ["<u>careful"]))
    page = Page(data["text/html"])
    spans = [(name, value) for tag, name, value in page.attributes if tag == "span"]
    assert [value for name, value in spans if name == "style"] == [
        "background:#0a02", "background:#e226", "background:#e226",
    ]  # fmt: skip
    assert not {"b", "script", "i", "u"} & set(page.tags)
    assert page.tags.count("tr") == 1 + 3
    assert "⚠ <u>careful" in page.text and "\u202e" not in page.text + data["text/plain"]
    assert data["text/plain"].splitlines()[1] == "(<u>careful)"
    assert data[MIME]["entries"][0]["logprob"] is None


def test_tab_and_help(room: Kernel) -> None:
    """Tab offers the flags, models and files; the help has every flag."""
    assert set(room.complete("%perplexity --")) == {o.flags[-1] for o in OPTIONS}
    assert room.complete("%%perplexity -m tin") == ["tiny-chat"]
    here = Path(__file__)
    text = f"%perplexity --file {here.parent}/test_perplex"
    assert complete(text, len(text)) == (f"{here.parent}/test_perplex", [str(here)])
    text = "%perplexity --window "
    assert complete(text, len(text)) is None
    assert help_text(OPTIONS) in HELP
    assert HELP.splitlines()[0] in str(room.run("%perplexity?").reply["payload"][0]["data"]["text/plain"])
