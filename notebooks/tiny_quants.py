"""tiny-chat in other quantisations, for the stand-in of a model hub: `python tiny_quants.py FOLDER` writes them.

llama.cpp makes them of the packaged file in a moment each; it also says much, which is why this is a program of its own.
"""

from __future__ import annotations

import ctypes
import subprocess
import sys
from pathlib import Path

QUANTS = {"Q4_0": 2, "Q5_0": 8, "Q8_0": 7, "F16": 1}  # llama.h, enum llama_ftype


def quants(folder: Path) -> dict[str, Path]:
    """File names and the files, written into `folder` by a process of their own."""
    subprocess.run([sys.executable, __file__, str(folder)], check=True, stderr=subprocess.DEVNULL)
    return {path.name: path for path in sorted(folder.glob("*.gguf"))}


def main() -> None:
    """Write every quantisation."""
    from llama_cpp import llama_cpp as lc

    from modelhub.kernels.catalog.catalog import PACKAGED

    params = lc.llama_model_quantize_default_params()
    params.allow_requantize = True
    for name, kind in QUANTS.items():
        params.ftype = kind
        target = Path(sys.argv[1]) / f"tiny-chat-{name}.gguf"
        if lc.llama_model_quantize(bytes(PACKAGED / "tiny-chat.gguf"), bytes(target), ctypes.byref(params)):
            sys.exit(f"llama.cpp could not write {target.name}")


if __name__ == "__main__":
    main()
