"""The model card: the figures in it are put there by the programs that measured them.

A card has blocks that begin with `<!-- NAME -->` and end with `<!-- end NAME -->`; the rest is written by
hand.
"""

from __future__ import annotations

import re
from pathlib import Path

from tiny_model.train import Outcome


def put(card: Path, name: str, text: str) -> None:
    """Replace the block `name` of `card` by `text`; a card that is not there is left alone.

    Raises: `ValueError` where the card has no such block.
    """
    if not card.exists():
        return
    old = card.read_text(encoding="utf-8")
    block = re.compile(rf"(<!-- {name} -->\n).*?(<!-- end {name} -->)", re.DOTALL)
    if not block.search(old):
        raise ValueError(f"{card.name} has no block {name!r}")
    card.write_text(block.sub(lambda match: match[1] + text + "\n" + match[2], old), encoding="utf-8")


def training(outcome: Outcome) -> str:
    """Return the lines about a training."""
    return "\n".join(
        [
            f"- {outcome.steps:,} steps in {outcome.minutes:.0f} minutes on two CPU cores",
            f"- {outcome.dialogues:,} dialogues, each seen once: {outcome.tokens / 1e6:.1f} million tokens, of "
            f"which the loss is taken on {outcome.learned / 1e6:.1f} million (the assistant's)",
            f"- mean loss at the end: {outcome.loss:.3f} nats a token",
        ]
    )
