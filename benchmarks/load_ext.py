"""What `%load_ext modelhub` costs in a running kernel, beside importing all of it at once."""

from __future__ import annotations

from typing import Any

from benchmarks.figure import Options, Row, Samples
from benchmarks.timed_kernel import TimedKernel

AIM_MS, LIMIT_MS = 20, 60
HEAVY = ("numpy", "llama_cpp", "httpx", "pydantic", "anywidget", "ipywidgets", "huggingface_hub", "sqlite3",
         "markdown_it")  # fmt: skip

LOAD = f"""
import json, sys, time
def added(work):
    before, wall, cpu = set(sys.modules), time.perf_counter(), time.process_time()
    work()
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    new = set(sys.modules) - before
    return {{"ms": 1e3 * wall, "cpu_ms": 1e3 * cpu, "modules": len(new),
            "heavy": sorted({{m.split(".")[0] for m in new}} & set({HEAVY!r}))}}
def load():
    get_ipython().run_line_magic("load_ext", "modelhub")
def eager():
    import modelhub.kernels.hub, modelhub.nbext.answer, modelhub.nbext.stream_widget, numpy
print(json.dumps([added(load), added(eager)]))
"""


def measure(options: Options) -> list[Row]:
    """A fresh kernel each time; the first one, which may have to compile, is not counted."""
    got: list[list[dict[str, Any]]] = []
    for _ in range(options.times(7) + 1):
        with TimedKernel(options, load=False) as kernel:
            got.append(kernel.data(LOAD))
    del got[0]
    wall = Samples([load["ms"] for load, _ in got])
    cpu = Samples([load["cpu_ms"] for load, _ in got])
    eager = Samples([load["ms"] + peer["ms"] for load, peer in got])
    heavy = sorted({name for load, _ in got for name in load["heavy"]})
    modules = got[0][0]["modules"]
    return [
        Row("`%load_ext modelhub`", f"≤ {LIMIT_MS} ms, aim {AIM_MS}", wall.show(1, "ms"),
            wall.median <= LIMIT_MS,
            f"in a fresh kernel each time; CPU {cpu.show(1, 'ms')}; {modules} modules"),
        Row("heavy modules it imports", "none", ", ".join(heavy) or "none", not heavy,
            f"of {', '.join(HEAVY)}"),
        Row("load time over loading eagerly", "", wall.over(eager).show(2), None,
            f"peer: the same, importing hub, widget, Markdown and numpy too: {eager.show(0, 'ms')}"),
    ]  # fmt: skip
