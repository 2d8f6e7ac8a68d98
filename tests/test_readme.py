"""README says what is true: its flags are the parser's, its tree is the repository's."""

from __future__ import annotations

import re
from pathlib import Path

from modelhub.magics.chat import OPTIONS
from modelhub.magics.options import help_text

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text("utf-8")


def test_the_flags_are_the_parsers() -> None:
    """The table of flags in README is the one that `%%chat?` shows."""
    assert "\n".join(line[4:] for line in help_text(OPTIONS).splitlines()) in README


def test_the_tree_names_what_there_is() -> None:
    """Every entry of the tree exists, and every room of the checkout is in it."""
    tree = README.split("## What is where")[1].split("```")[1]
    named = re.findall(r"^(\w[\w/]*)/", tree, re.M)
    assert [name for name in named if not (ROOT / name).is_dir()] == []
    inside = re.findall(r"^    (\w+)/", tree, re.M)
    rooms = {p.name for p in (ROOT / "kernels").iterdir() if p.is_dir() and p.name != "__pycache__"}
    assert set(inside) == rooms
    top = {p.name for p in ROOT.iterdir() if p.is_dir() and (p / "__init__.py").exists()}
    assert top <= set(named)


def test_what_it_links_to_exists() -> None:
    """Pictures and files that README points to are there."""
    for target in re.findall(r"\]\((?!http)([^)#]+)\)", README):
        assert (ROOT / target).exists(), target
