"""The stand-in for the Hugging Face Hub that the notebooks use, and GGUFs to put into it."""

from __future__ import annotations

from pathlib import Path

import gguf
import numpy as np

from notebooks.hub_stand_in import Faults, HubStandIn

__all__ = ["Faults", "HubStandIn", "projector_gguf", "split_gguf"]


def split_gguf(folder: Path, name: str, parts: int) -> dict[str, Path]:
    """A GGUF split into `parts` files, by name: headers and a tensor each, enough to be read and listed."""
    writer = gguf.GGUFWriter(folder / f"{name}.gguf", "llama", split_max_tensors=1)
    for number in range(parts):
        writer.add_tensor(f"blk.{number}.attn_q.weight", np.full((64, 64), number, dtype=np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return {path.name: path for path in sorted(folder.glob(f"{name}-*-of-*.gguf"))}


def projector_gguf(path: Path) -> Path:
    """What an mmproj looks like from outside."""
    writer = gguf.GGUFWriter(path, "clip")
    writer.add_type("mmproj")
    writer.add_tensor("mm.0.weight", np.zeros((64, 64), dtype=np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path
