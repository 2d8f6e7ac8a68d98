"""What streaming to the front end costs: bytes on iopub, CPU of the kernel, and whether all of it arrives.

The kernel is fed a synthetic answer, about 4.7 characters a token, from a thread at a fixed rate, and shows
it as `%%chat` does. The naive peer shows the whole text anew for each token.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from benchmarks.figure import Options, Row, Samples
from benchmarks.timed_kernel import Timed, TimedKernel

GOAL_TOKENS, GOAL_MB, GOAL_CPU = 8000, 0.75, 0.8
SHORT_TOKENS = 2000
FAST = 4000  # tokens a second; a cached or replayed answer comes as fast
RATE_WINDOW, RATE_LIMIT = 3.0, 1000.0  # jupyter_server drops messages beyond 1,000/s, measured over 3 s

# Run in the kernel. What is printed is seconds of CPU: of the whole process, and of it the pacing, which is
# the measuring's own: the part of the feeding thread that is not spent in taking a token.
SETUP = """
import json, threading, time
from IPython.display import Markdown, display
from modelhub.kernels.protocol.events import Delta, Ended
from modelhub.kernels.protocol.request import ChatRequest
from modelhub.kernels.response import Response
from modelhub.nbext.live import show_async, view

WORDS = "the model says it in short words, and now or then a `name` or a **loud** one stands between".split()

def pieces(count):
    for i in range(count):
        yield "\\n\\n" if i % 90 == 89 else "\\n- " if i % 30 == 29 else " " + WORDS[i % len(WORDS)]

pacing = [0.0]

def paced(count, rate, take):
    begin, cpu, taking = time.perf_counter(), time.thread_time(), 0.0
    for i, piece in enumerate(pieces(count)):
        left = begin + i / rate - time.perf_counter()
        if left > 0:
            time.sleep(left)
        before = time.thread_time()
        take(piece)
        taking += time.thread_time() - before
    pacing[0] = time.thread_time() - cpu - taking

def new():
    messages = [{"role": "user", "content": "Go on."}]
    return Response(ChatRequest.make(model="local/synthetic", messages=messages))

def feed(response, count, rate):
    paced(count, rate, lambda piece: response.feed(Delta(0, piece)))
    usage = {"prompt_tokens": 1, "completion_tokens": count, "total_tokens": count + 1}
    response.feed(Ended(("stop",), (count,), usage))
    response.settle()
    response.end()

async def shown(count, rate):
    cpu, response = time.process_time(), new()
    on = view("md")
    threading.Thread(target=feed, args=(response, count, rate), daemon=True).start()
    await show_async(response, on)
    print(json.dumps([time.process_time() - cpu, pacing[0]]))

def naive(count, rate):
    cpu, text = time.process_time(), []
    handle = display(Markdown(""), display_id=True)
    def take(piece):
        text.append(piece)
        handle.update(Markdown("".join(text)))
    paced(count, rate, take)
    print(json.dumps([time.process_time() - cpu, pacing[0]]))
"""


@dataclass(frozen=True)
class Run:
    """One stream, as it arrived."""

    ran: Timed

    @property
    def megabytes(self) -> float:
        return self.ran.size / 1e6

    @property
    def cpu(self) -> float:
        """Without the pacing."""
        whole, pacing = json.loads(self.ran.stdout)
        return float(whole - pacing)

    @property
    def whole_cpu(self) -> float:
        return float(json.loads(self.ran.stdout)[0])

    @property
    def messages(self) -> int:
        return len(self.ran.arrivals)

    @property
    def worst_rate(self) -> float:
        """Messages a second in the window of the server's limit that has most of them."""
        times = [a.after for a in self.ran.arrivals]
        return max(sum(1 for t in times if at <= t < at + RATE_WINDOW) for at in times) / RATE_WINDOW

    def whole(self, text: str) -> bool:
        """Whether `text` was streamed whole, and stands in the final output."""
        return self.ran.streamed == text and self.ran.last_shown.shown == text


def measure(options: Options) -> list[Row]:
    """The slow stream, the fast one, and the naive peer with as many tokens, in one kernel."""
    count = GOAL_TOKENS if options.full else SHORT_TOKENS
    part = count / GOAL_TOKENS
    seconds = count / 100
    with TimedKernel(options) as kernel:
        kernel.timed(SETUP)

        def run(code: str) -> Run:
            return Run(kernel.timed(code, 3 * seconds + 60))

        run("await shown(50, 1000)")  # imports
        text: str = kernel.data(f"print(json.dumps(''.join(pieces({count}))))")
        fast_text: str = kernel.data(f"print(json.dumps(''.join(pieces({GOAL_TOKENS}))))")
        slow = [run(f"await shown({count}, 100)") for _ in range(options.times(1 if options.full else 2))]
        fast = [run(f"await shown({GOAL_TOKENS}, {FAST})") for _ in range(options.times(3))]
        naive = run(f"naive({count}, 500)")
    size, cpu = Samples([r.megabytes for r in slow]), Samples([r.cpu for r in slow])
    lost = sum(not r.whole(text) for r in slow) + sum(not r.whole(fast_text) for r in fast)
    worst = max(r.worst_rate for r in fast)
    naive_whole = sum(a.kind == "update_display_data" for a in naive.ran.arrivals) == count
    how = f"{count:,} tokens at 100/s, {len(text):,} characters"
    rows: list[Any] = [
        (f"iopub bytes of {count:,} tokens", f"≤ {GOAL_MB * part:.2f} MB", size.show(3, "MB"),
         size.median <= GOAL_MB * part, f"{how}; {slow[0].messages} messages, final bundle included"),
        (f"kernel CPU of {count:,} tokens", f"≤ {GOAL_CPU * part:.2f} s", cpu.show(2, "s"),
         cpu.median <= GOAL_CPU * part,
         f"{how}; {Samples([r.whole_cpu for r in slow]).show(2, 's')} with the measuring's own pacing"),
        (f"streams at 100/s and {FAST:,}/s that lost text", "0", f"{lost} of {len(slow) + len(fast)}",
         lost == 0,
         f"deltas and final output compared; {GOAL_TOKENS:,} tokens at {FAST:,}/s"),
        (f"messages a second at {FAST:,} tokens/s", f"≤ {RATE_LIMIT:.0f}", f"{worst:.0f}",
         worst <= RATE_LIMIT,
         "the server drops what is beyond"),
        ("naive bytes over ours", "", f"{naive.megabytes / size.median:.0f}", None,
         f"peer: update_display(Markdown) of the whole text a token, {count:,} tokens: "
         f"{naive.megabytes:.1f} MB{'' if naive_whole else ' (not all arrived)'}"),
        ("naive kernel CPU over ours", "", f"{naive.cpu / cpu.median:.1f}", None,
         f"the same peer, paced at 500/s: {naive.cpu:.2f} s"),
    ]  # fmt: skip
    return [Row(*row) for row in rows]
