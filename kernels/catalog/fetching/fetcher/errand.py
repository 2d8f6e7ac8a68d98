"""The kernel's side of the process that fetches: start it, hear what it says, end it."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import sys
from collections.abc import Callable
from typing import Any

from modelhub.errors import DownloadFailed
from modelhub.kernels.catalog.importers.secrets import without_keys_in_addresses

LONGEST = 1 << 24  # bytes of one line: the listing of a very large repository has some hundred thousand
SAID = 4000  # characters kept of what it wrote on stderr


async def run(errand: dict[str, Any], progress: Callable[[dict[str, Any]], None] = lambda told: None) -> Any:
    """Have `errand` done in a process of its own, on the background loop; cancelling this kills the process.

    Raises DownloadFailed.
    """
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-P", "-m", "modelhub.kernels.catalog.fetching.fetcher",
        env={"HF_HUB_DISABLE_TELEMETRY": "1", **os.environ},  # which asks the Hub more than it is told to
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        start_new_session=True,  # a Ctrl-C in the terminal is for the kernel
        limit=LONGEST,
    )  # fmt: skip
    assert process.stdin is not None and process.stdout is not None and process.stderr is not None
    log = asyncio.create_task(process.stderr.read())
    try:
        process.stdin.write(json.dumps(errand).encode() + b"\n")
        async for line in process.stdout:
            told = json.loads(line)
            kind = told.pop("e")
            if kind == "result":
                return told["value"]
            if kind == "error":
                raise DownloadFailed(without_keys_in_addresses(told["message"]))
            progress(told)
        said = without_keys_in_addresses((await log).decode("utf-8", "replace")[-SAID:]).strip().splitlines()
        raise DownloadFailed(
            f"the process that fetches ended unexpectedly ({said[-1] if said else f'exit {await process.wait()}'}); "
            "what came is kept, so type the same again to go on"
        )
    except ValueError:  # a line longer than LONGEST
        raise DownloadFailed(
            f"the server's answer is too long: more than {LONGEST >> 20} MB of names; give the address of one file"
        ) from None
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        log.cancel()
        process.stdin.close()
        await asyncio.shield(process.wait())
