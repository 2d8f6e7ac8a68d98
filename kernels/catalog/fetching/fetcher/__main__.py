"""The process that fetches: one errand, told on stdin in a line of JSON; lines of JSON come back.

Lines are `{"e": "progress", …}` and in the end `{"e": "result", "value": …}` or `{"e": "error", "message": …}`. When
stdin ends, the kernel is gone, and so is this process.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
from typing import Any

from modelhub.errors import HubError
from modelhub.kernels.processes import end_with_parent


def main() -> None:
    """Do the errand."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C and the stop button are the kernel's to handle
    end_with_parent()
    out = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # what libraries print is no answer
    errand = json.loads(sys.stdin.buffer.readline())
    threading.Thread(target=_end_with_kernel, daemon=True).start()

    def say(event: str, **more: Any) -> None:
        out.write(json.dumps({"e": event, **more}) + "\n")
        out.flush()

    try:
        say("result", value=_run(errand, say))
    except HubError as error:
        say("error", message=str(error))


def _run(errand: dict[str, Any], say: Any) -> Any:
    kind = errand["do"]
    if kind == "repository":
        from modelhub.kernels.catalog.fetching.fetcher import hub_api

        return hub_api.repository(errand["name"], errand["revision"])
    if kind == "search":
        from modelhub.kernels.catalog.fetching.fetcher import hub_api

        return hub_api.search(errand["query"], errand["limit"])
    if kind == "probe":
        from modelhub.kernels.catalog.fetching.fetcher.address import probe

        return probe(errand["url"])
    from modelhub.kernels.catalog.fetching.fetcher.whole_model import WholeModel

    return WholeModel(errand, say).fetch()


def _end_with_kernel() -> None:
    while os.read(0, 1 << 16):  # not sys.stdin: its lock would be in the way of the end
        pass
    os._exit(0)


if __name__ == "__main__":
    main()
