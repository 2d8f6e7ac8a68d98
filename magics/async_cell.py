"""`%%chat` as an async cell: the kernel's loop stays free while the answer comes, so Stop and sliders live.

An input transformer turns a cell that begins with `%%chat` into one top-level `await`. Inside `%%time`,
`run_cell_magic` and wherever else a cell is transformed while another runs, the plain synchronous magic does the same.
"""

from __future__ import annotations

from typing import Any

NAMES = ("chat", "mh")


class AsyncCells:
    """The transformer of one shell."""

    def __init__(self, shell: Any, cells: Any, names: tuple[str, ...]) -> None:
        """Transform the cell magics `names` of `shell`; `cells` knows whether a cell is running."""
        self._shell, self._cells = shell, cells
        self._starts = tuple(f"%%{name}" for name in names)

    def __call__(self, lines: list[str]) -> list[str]:
        """The cell's lines, or one line that awaits its answer."""
        if self._cells.running or not getattr(self._shell, "autoawait", False):
            return lines
        first = next((i for i, line in enumerate(lines) if line.strip()), None)
        if first is None:
            return lines
        name, _, rest = lines[first].strip().partition(" ")
        if name not in self._starts:
            return lines
        if rest.strip() == "?" or name.endswith("?"):
            return lines
        body = "".join(lines[first + 1 :])
        module = "__import__('modelhub.magics.async_cell', fromlist=['chat'])"
        return [f"await {module}.chat({name!r}, {rest!r}, {body!r})\n"]


async def chat(magic: str, line: str, body: str) -> Any:
    """Run the cell `magic line`, `body`; what the transformer awaits."""
    from IPython.core.getipython import get_ipython

    from modelhub.magics.chat import ask, run_async

    shell = get_ipython()
    return await run_async(shell, ask(shell, line, body, magic))
