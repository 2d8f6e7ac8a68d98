"""The fingerprint: what an answer depends on beside the request, in a dozen characters."""

from __future__ import annotations

import functools
import hashlib
import json
import os
import re
from pathlib import Path
from typing import Any

import llama_cpp
from llama_cpp import llama_cpp as lc

SPLIT = re.compile(r"-00001-of-(\d{5})\.gguf$")  # the first of several files (llama.cpp, llama_split_path)
END_BYTES = 1 << 20  # of the file's beginning and of its end: reading gigabytes would delay the first answer


def fingerprint(path: str, load: dict[str, Any], described: dict[str, Any]) -> str:
    """`fp_` and ten hexadecimal digits; equal seeds promise equal answers under equal fingerprints only.

    Of the file, or all files of a split model (size, first and last megabyte: header and weights), the load parameters
    in force, the version of llama-cpp-python and what its llama.cpp was built for. `load` has the parameters as they
    were asked for; `described` is what `LoadedModel.describe` says, whose values of the same
    names stand in their place.
    """
    facts = {
        "file": [_file(file) for file in files(path)] if len(files(path)) > 1 else _file(Path(path)),
        "load": {name: described.get(name, asked) for name, asked in load.items()},
        "version": llama_cpp.__version__,
        "build": lc.llama_print_system_info().decode("utf-8", "replace"),
    }
    return f"fp_{hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:10]}"


def files(path: str) -> list[Path]:
    """All files of the model whose first is at `path`."""
    if split := SPLIT.search(path):
        return [Path(f"{path[: split.start()]}-{n:05}-of-{split[1]}.gguf") for n in range(1, int(split[1]) + 1)]
    return [Path(path)]


@functools.cache
def _file(path: Path) -> str:
    with path.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        digest = hashlib.sha256(str(size).encode())
        for start in (0, max(0, size - END_BYTES)):
            file.seek(start)
            digest.update(file.read(END_BYTES))
    return digest.hexdigest()
