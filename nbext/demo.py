"""Plays a notebook in a terminal: its cells run in a real kernel, and what they print appears as it comes."""

from __future__ import annotations

import json
import os
import queue
import sys
from pathlib import Path
from typing import Any

DIM, BOLD, RESET = "\x1b[2m", "\x1b[1m", "\x1b[0m"


def play(path: str) -> int:
    """Run every cell of the notebook at `path`; 0 when each ended as the notebook says it should, else 1."""
    from jupyter_client.manager import start_new_kernel

    cells = json.loads(Path(path).read_text("utf-8"))["cells"]
    # `text` prints the tokens as they come, which a terminal can show.
    manager, client = start_new_kernel(
        env={**os.environ, "MODELHUB_STREAM": "text"},
        cwd=str(Path(path).parent),
        extra_arguments=["--IPKernelApp.log_level=40"],  # errors alone: its hints to who runs servers are not for here
    )
    failed = 0
    try:
        for cell in cells:
            source = "".join(cell["source"])
            if cell["cell_type"] == "markdown":
                _write(f"\n{BOLD}{source}{RESET}\n")
            elif cell["cell_type"] == "code" and source.strip():
                _write("\n" + "".join(f"{DIM}│ {line}{RESET}\n" for line in source.splitlines()))
                raised = _run(client, source)
                failed += raised and "raises-exception" not in cell["metadata"].get("tags", [])
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)
        manager.cleanup_resources()
    return 1 if failed else 0


def _run(client: Any, source: str) -> bool:
    """Run one cell, writing what it shows; whether it raised."""
    ident = client.execute(source)
    raised = False
    while True:
        try:
            message = client.get_iopub_msg(timeout=1)
        except queue.Empty:
            if not client.is_alive():
                _write("the kernel died\n")
                return True
            continue
        if message["parent_header"].get("msg_id") != ident:
            continue
        kind, content = message["msg_type"], message["content"]
        if kind == "stream":
            _write(content["text"])
        elif kind in {"display_data", "execute_result"}:
            _write(content["data"].get("text/plain", "") + "\n")
        elif kind == "error":
            raised = True
            _write("\n".join(content["traceback"]) + "\n")
        elif kind == "status" and content["execution_state"] == "idle":
            return raised


def _write(text: str) -> None:
    sys.stdout.write(text)
    sys.stdout.flush()
