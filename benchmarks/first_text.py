"""When the first text of a provider stands in a notebook, beside the two magics of jupyter-ai on the same provider."""

from __future__ import annotations

from benchmarks.environments import python_with
from benchmarks.figure import Options, Row, Samples
from benchmarks.paced_provider import OTHERS, WORDS, PacedProvider
from benchmarks.peers import NoPeer
from benchmarks.timed_kernel import Timed, TimedKernel

GOAL_MS = 50
KEY = "none-needed"
PEERS = (
    ("jupyter-ai-magics 2.31", ("jupyter-ai-magics==2.31.*", "langchain-openai", "ipykernel"), "jupyter_ai_magics",
     "%%ai openai-chat:gpt-4o --format text\nhi"),
    ("jupyter-ai-magic-commands", ("jupyter-ai-magic-commands", "ipykernel"), "jupyter_ai_magic_commands",
     "%%ai openai/gpt-4o --format text\nhi"),
)  # fmt: skip


def measure(options: Options) -> list[Row]:
    """Each in a kernel of its own; the first answer of each, which imports, is not counted."""
    repeats = options.times(5)
    with PacedProvider() as provider:
        with TimedKernel(options) as kernel:
            kernel.timed(f"import modelhub\nmodelhub.hub().providers.add('paced', base_url='{provider.url}/v1', "
                         f"key='{KEY}')")  # fmt: skip
            ours = _delays(kernel, provider, f"%%chat -m paced/{OTHERS} --new\nhi", repeats)
        rows = [
            Row("first text of a provider on the screen", f"≤ {GOAL_MS} ms", ours.show(0, "ms"), ours.median <= GOAL_MS,
                "`%%chat` in a kernel: from the provider's first token, written, to its text, received by the front "
                "end; 115 tokens at 50 a second"),
        ]  # fmt: skip
        for name, packages, extension, cell in PEERS:
            try:
                python = python_with(*packages)
            except NoPeer as missing:
                rows.append(Row(f"the same, {name}", "", "skipped", None, str(missing)))
                continue
            address = dict.fromkeys(("OPENAI_API_BASE", "OPENAI_BASE_URL"), f"{provider.url}/v1")
            environment = {**address, "OPENAI_API_KEY": KEY, "LITELLM_LOCAL_MODEL_COST_MAP": "True"}
            with TimedKernel(options, load=False, python=python, environment=environment) as kernel:
                kernel.timed(f"%load_ext {extension}")
                theirs = _delays(kernel, provider, cell, min(repeats, 3))
            rows.append(Row(f"the same, {name}", "", theirs.show(0, "ms"), None,
                            f"peer: `{cell.splitlines()[0]}` of {packages[0]}, which shows the whole answer at its "
                            "end"))  # fmt: skip
    return rows


def _delays(kernel: TimedKernel, provider: PacedProvider, cell: str, repeats: int) -> Samples:
    """Milliseconds from the provider's first token to the first of its text on the screen."""
    found = []
    for turn in range(repeats + 1):
        seen = kernel.timed(cell)
        if turn:
            found.append(1e3 * (_first_text(seen) - provider.sent()[-1]))
    return Samples(found)


def _first_text(seen: Timed) -> float:
    """When the first word of the answer arrived, whatever message brought it."""
    for arrival in seen.arrivals:
        if arrival.kind != "execute_input" and WORDS[0] in str(arrival.content):
            return seen.began + arrival.after
    raise RuntimeError(f"no text of the provider's was shown: {seen.arrivals}")
