"""Assert what a wheel holds: every module of the checkout, the data files, the kernelspec, and nothing else."""

from __future__ import annotations

import sys
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
ROOMS = {"src/modelhub": "modelhub", "kernels": "modelhub/kernels", "magics": "modelhub/magics",
         "nbext": "modelhub/nbext"}  # fmt: skip
KINDS = {".py", ".js", ".json", ".toml", ".gguf", ".md", ".typed"}


def expected() -> set[str]:
    """The files the checkout says a wheel must hold."""
    files = set()
    for folder, target in ROOMS.items():
        base = ROOT / folder
        for path in base.rglob("*"):
            inside = path.relative_to(base)
            linked = folder == "src/modelhub" and inside.parts[0] in {"kernels", "magics", "nbext"}
            linked = linked or inside.parts[0] == "kernelspec"  # which is data, see below
            if path.is_file() and not linked and (path.suffix in KINDS or path.name == "py.typed"):
                files.add(f"{target}/{inside.as_posix()}")
    return files


def main() -> None:
    """Compare and report; exit 1 on any difference."""
    with zipfile.ZipFile(sys.argv[1]) as wheel:
        held = set(wheel.namelist())
    data = {n for n in held if ".data/data/" in n}
    info = {n for n in held if ".dist-info/" in n}
    missing = expected() - held
    surplus = held - data - info - expected()
    if not any(n.endswith("share/jupyter/kernels/modelhub/kernel.json") for n in data):
        missing.add("share/jupyter/kernels/modelhub/kernel.json")
    if not any(n.endswith("licenses/LICENSE") for n in info):
        missing.add("LICENSE")
    if missing or surplus:
        sys.exit(f"the wheel lacks {sorted(missing)} and should not hold {sorted(surplus)}")
    print(f"the wheel holds its {len(held)} files: {Path(sys.argv[1]).name}")


if __name__ == "__main__":
    main()
