"""The ways to show an answer while it comes, in a real kernel: what each sends, how often, and how it ends."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Iterator

import pytest

from modelhub.nbext.live import GROWTH
from tests.kernel import Kernel, Ran, streamed_text

MIME = "application/vnd.modelhub.chat+json"
VIEW = "application/vnd.jupyter.widget-view+json"
ASK = "-t 0 --max-tokens 3"
STORY = "--seed 1 --max-tokens {} -o logit_bias='{{\"2\": -100}}'\nTell me a long story."
OTHERS = r"choice 1 of 3; ([\d,]+) characters of the others …$"
FORGET = "modelhub.hub().conversations = type(modelhub.hub().conversations)()"


@pytest.fixture
def mode(one_kernel: Kernel) -> Iterator[Callable[[str], Kernel]]:
    """Puts the kernel into a mode of MODELHUB_STREAM, for one test, and forgets its conversations."""

    def set_mode(name: str) -> Kernel:
        assert one_kernel.run(f"os.environ['MODELHUB_STREAM'] = {name!r}\n{FORGET}").ok
        return one_kernel

    yield set_mode
    one_kernel.run("os.environ.pop('MODELHUB_STREAM', None); os.environ.pop('VSCODE_PID', None)")


def kinds(ran: Ran) -> list[str]:
    return [m["msg_type"] for m in ran.messages]


@pytest.mark.parametrize("code", ["%%chat {}", "%%time\n%%chat {}"], ids=["async", "sync"])
def test_widget(mode: Callable[[str], Kernel], code: str) -> None:
    """The widget gets additions that make up the text, few of them, and is swapped once for the bundle."""
    ran = mode("widget").run(code.format(STORY.format(400)))
    assert ran.ok, ran.error
    first, *_ = ran.of("display_data")
    assert VIEW in first["content"]["data"]
    assert kinds(ran).count("update_display_data") == 1
    (output,) = ran.outputs
    assert set(output) == {"text/plain", "text/html", MIME}
    assert streamed_text(ran) == output["text/plain"]
    deltas = [m for m in ran.of("comm_msg") if "d" in (m["content"]["data"].get("content") or {})]
    numbers = [m["content"]["data"]["content"]["n"] for m in ran.of("comm_msg")]
    assert numbers == sorted(set(numbers))
    assert len(deltas) < 100, "ten a second, not one a token"
    sent = sum(len(json.dumps(m["content"])) for m in ran.of("comm_msg"))
    assert sent < 2 * len(output["text/plain"]) + 400 * len(ran.of("comm_msg"))


def test_display(mode: Callable[[str], Kernel]) -> None:
    """Without widgets the text is updated in place, harmless HTML, and ends as the same bundle."""
    kernel = mode("display")
    ran = kernel.run(f"%%chat {STORY.format(300)}")
    assert ran.ok, ran.error
    assert set(kinds(ran)) == {"display_data", "update_display_data"}
    assert kinds(ran).count("display_data") == 1
    for message in ran.of("update_display_data")[:-1]:
        data = message["content"]["data"]
        assert set(data) <= {"text/plain", "text/html"}
        assert data.get("text/html", "<pre>").startswith("<pre>")
    (output,) = ran.outputs
    assert MIME in output


def test_display_is_geometric(mode: Callable[[str], Kernel]) -> None:
    """The number of updates grows with the logarithm of the text: twice the text costs a few more."""
    kernel = mode("display")
    counts = []
    for length in (1000, 2000, 4000):
        ran = kernel.run(
            "from modelhub.nbext.live import view\nv = view('md')\n"
            f"for n in range({length} + 1):\n    v.update('x' * n, None)"
        )
        counts.append(kinds(ran).count("update_display_data"))
        assert len(ran.outputs[-1]["text/plain"]) > length / GROWTH - 1
    steps = math.log(2) / math.log(GROWTH) + 1
    assert counts[1] - counts[0] <= steps
    assert counts[2] - counts[1] <= steps
    assert counts[2] < 250


@pytest.mark.parametrize("flags", ["", "--format text ", "--logprobs 2 "])
def test_final(mode: Callable[[str], Kernel], flags: str) -> None:
    """`final` sends the finished bundle and nothing else."""
    ran = mode("final").run(f"%%chat {flags}{ASK}\nhi")
    assert kinds(ran) == ["display_data"]
    assert set(ran.outputs[0]) == {"text/plain", "text/html", MIME}
    assert "display_id" not in ran.of("display_data")[0]["content"].get("transient", {})


def test_text(mode: Callable[[str], Kernel]) -> None:
    """`text` prints the answer as it comes and the quiet line below it."""
    ran = mode("text").run(f"%%chat {ASK}\nhi")
    assert set(kinds(ran)) == {"stream"}
    text, quiet = ran.stdout.rstrip("\n").rsplit("\n", 1)
    assert mode("text").value("_.text()") == repr(text)
    assert quiet.startswith("(tiny-chat · 3 tokens · ")


def test_every_mode_ends_the_same(mode: Callable[[str], Kernel]) -> None:
    """Widget, display and final leave the same output but for the speed."""
    shown = []
    for name in ("widget", "display", "final", "auto", ""):
        ran = mode(name).run(f"%%chat --new {ASK}\nhi", cell="a")
        (output,) = ran.outputs
        shown.append((output["text/plain"], output[MIME], output["text/html"].split(" tok/s")[0].rsplit(" ", 1)[0]))
    assert all(s[:2] == shown[0][:2] for s in shown)


def test_auto_takes_no_widget_where_there_are_none(mode: Callable[[str], Kernel]) -> None:
    """In VS Code, which fetches widgets from elsewhere, the text is updated instead."""
    kernel = mode("auto")
    assert "comm_open" in kinds(kernel.run(f"%%chat {ASK}\nhi"))
    kernel.run("os.environ['VSCODE_PID'] = '1'")
    ran = kernel.run(f"%%chat {ASK}\nhi")
    assert "comm_open" not in kinds(ran)
    assert MIME in ran.outputs[0]


def test_an_unknown_mode_is_one_line(mode: Callable[[str], Kernel]) -> None:
    """A wrong word in MODELHUB_STREAM is told with the right ones; nothing was asked."""
    kernel = mode("sideways")
    before = kernel.value("len(modelhub.hub().log.recent(999))")
    ran = kernel.run(f"%%chat {ASK}\nhi")
    assert ran.error == (
        "BadRequest: MODELHUB_STREAM must be one of auto, widget, display, final, text; got 'sideways'"
    )
    assert not ran.outputs
    assert kernel.value("len(modelhub.hub().log.recent(999))") == before


@pytest.mark.parametrize("name", ["widget", "display", "final", "text"])
def test_a_failure_shows_its_error_alone(mode: Callable[[str], Kernel], name: str) -> None:
    """Where nothing came the cell shows the one line of the error, no half of a bundle."""
    ran = mode(name).run("%%chat --chat long\n" + "many words " * 2000)
    assert ran.error.startswith("ContextTooLong: ")
    assert all(output == {"text/plain": ""} for output in ran.outputs)
    assert ran.stdout.strip() == ""


@pytest.mark.parametrize(
    ("name", "came"),
    [("display", lambda ran: len(ran.text) > 60), ("text", lambda ran: len(ran.stdout) > 60)],
)
def test_stopping(mode: Callable[[str], Kernel], name: str, came: Callable[[Ran], bool]) -> None:
    """Stopped in the middle, the cell shows what came and that it was stopped."""
    ran = mode(name).run(f"%%chat --new {STORY.format(900)}", interrupt=came)
    assert ran.error.startswith("Stopped: ")
    shown = ran.outputs[-1]["text/html"] if ran.outputs else ran.stdout
    assert " · stopped" in shown
    assert len(shown) > 60


def test_the_other_choices_are_seen_to_come(mode: Callable[[str], Kernel]) -> None:
    """While the first of several choices streams, a line below it counts the others; the text is the first's alone."""
    ran = mode("widget").run(f"%%chat -o n=3 --new {STORY.format(900)}")
    assert ran.ok, ran.error
    (output,) = ran.outputs
    assert streamed_text(ran) == output["text/plain"] == output[MIME]["choices"][0]["text"]
    lines = [m["content"]["data"]["content"].get("p", "") for m in ran.of("comm_msg")]
    counts = [int(found[1].replace(",", "")) for line in lines if (found := re.match(OTHERS, line))]
    assert counts and counts == sorted(counts)
    assert counts[-1] <= sum(len(c["text"]) for c in output[MIME]["choices"][1:])


def test_a_terminal_prints_every_choice(mode: Callable[[str], Kernel]) -> None:
    """Where text is printed, the first choice comes as it is made and the others stand below it, numbered."""
    kernel = mode("text")
    printed = kernel.run(f"%%chat -o n=3 --new {STORY.format(20)}").stdout
    texts = [eval(kernel.value(f"_.text({i})")) for i in range(3)]
    assert printed.startswith(f"{texts[0]}\n(choice 2)\n{texts[1]}\n(choice 3)\n{texts[2]}\n(tiny-chat · ")


def test_a_running_answer_can_be_watched(mode: Callable[[str], Kernel]) -> None:
    """A response begun in Python and evaluated while it runs streams into that cell."""
    kernel = mode("widget")
    prompt = "Tell me a long story."
    ran = kernel.run(f"r = modelhub.chat({prompt!r}, seed=1, max_tokens=200, logit_bias={{2: -100}})\nr")
    assert ran.ok, ran.error
    assert MIME in ran.outputs[0]
    assert streamed_text(ran) == ran.outputs[0]["text/plain"]


def test_an_answer_kept_by_capture_can_be_shown(mode: Callable[[str], Kernel]) -> None:
    """What %%capture keeps has the finished bundle in it."""
    kernel = mode("auto")
    assert not kernel.run(f"%%capture kept\n%%chat {ASK}\nhi").outputs
    assert kernel.value(f"any({MIME!r} in o.data for o in kept.outputs)") == "True"


def test_a_captured_answer_is_one_output(one_kernel: Kernel) -> None:
    """Under %%capture only the finished answer is kept, and it can be shown later."""
    assert one_kernel.run("%%capture kept\n%chat -t 0 --new What is the capital of France?").ok
    (shown,) = [data for data in one_kernel.run("kept.show()").outputs if data]
    assert "France" in shown["text/plain"]


def test_a_terminal_shows_the_doubtful_tokens(start_kernel: Callable[..., Kernel]) -> None:
    """Where text is printed, --logprobs prints the least certain tokens with their alternatives below the answer."""
    printed = (
        start_kernel(MODELHUB_STREAM="text").run("%%chat -t 0 --logprobs 3\nWhat is the capital of France?").stdout
    )
    lines = printed.splitlines()
    assert len([line for line in lines[1:] if line.count("%") >= 4]) >= 5
    assert lines[-1].startswith("(tiny-chat · ")
