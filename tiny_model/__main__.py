"""Make tiny-chat: `python -m tiny_model` from the repository's root."""

from __future__ import annotations

import argparse
import time
from dataclasses import replace
from pathlib import Path

import torch

from tiny_model import card, export, restore, score, tokenizer
from tiny_model.dialogues import stream
from tiny_model.network import Network, Shape
from tiny_model.train import Outcome, Plan, train

OUT = Path(__file__).parents[1] / "kernels" / "models" / "tiny-chat.gguf"
#: First mostly to look back and copy, which all else needs; then everything.
ROUNDS = (
    Plan(steps=300, seed=1, copies=0.6, cool=0.3),
    Plan(steps=2700, seed=2, copies=0.02, cool=0.95),
)


def arguments() -> argparse.Namespace:
    """Return what was asked for on the command line."""
    parser = argparse.ArgumentParser(prog="python -m tiny_model", description=main.__doc__)
    parser.add_argument("--out", type=Path, default=OUT, help="the GGUF to write (default: %(default)s)")
    parser.add_argument("--start", type=Path, help="a GGUF to start from, instead of random weights")
    parser.add_argument("--skip", type=int, default=0, help="rounds to leave out (default: %(default)s)")
    parser.add_argument("--steps", type=int, help="steps of each round, instead of the usual ones")
    parser.add_argument("--minutes", type=float, default=0.0, help="end each round after so many minutes")
    parser.add_argument("--threads", type=int, default=2, help="threads to train with (default: %(default)s)")
    parser.add_argument("--every", type=int, default=0, help="write a draft each so many steps")
    return parser.parse_args()


def main() -> None:
    """Learn the tokenizer, train the network in two rounds, write the GGUF, and ask it the exam."""
    asked = arguments()
    start = time.monotonic()

    def say(line: str) -> None:
        print(f"[{(time.monotonic() - start) / 60:5.1f}] {line}", flush=True)

    if asked.start:
        network, learned = restore.read(asked.start)
    else:
        say("learning the tokenizer")
        torch.manual_seed(1)
        network = Network(Shape())
        learned = tokenizer.learn(stream(1001, 20_000), network.shape.vocabulary)
    say(f"training {network.shape}")
    outcome = Outcome()
    for plan in ROUNDS[asked.skip :]:
        plan = replace(plan, minutes=asked.minutes, every=asked.every, threads=asked.threads)
        plan = replace(plan, steps=asked.steps or plan.steps)
        outcome += train(network, learned, plan, say, lambda net: export.write(net, learned, draft(asked.out)))
        say(f"trained: {outcome}")
        export.write(network, learned, asked.out)
        say(f"wrote {asked.out.name}: {asked.out.stat().st_size:,} bytes")
    page = asked.out.with_suffix(".md")
    card.put(page, "training", card.training(outcome))
    tables = score.report(asked.out, say)
    say("\n" + tables)
    card.put(page, "scores", tables)


def draft(out: Path) -> Path:
    """Return where the drafts of `out` go."""
    return out.with_suffix(".draft.gguf")


if __name__ == "__main__":
    main()
