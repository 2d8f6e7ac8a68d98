"""The training: a fixed number of steps over fresh dialogues, on the processor, from a seed."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import torch
from tokenizers import Tokenizer

from tiny_model.network import Network
from tiny_model.packing import batches


@dataclass(frozen=True)
class Plan:
    """How to train.

    `size` is in tokens a step; `minutes`, if not 0, ends the training early; `every` is the number of steps
    between two drafts, 0 for none. The learning rates rise over the first `warm` of the steps, and fall to zero
    over the last `cool` of them.
    """

    steps: int
    minutes: float = 0.0
    size: int = 4096
    seed: int = 1
    copies: float = 0.0
    warm: float = 0.03
    cool: float = 0.75
    rate_matrices: float = 0.02
    rate_others: float = 3e-3
    threads: int = 2
    every: int = 0


@dataclass(frozen=True)
class Outcome:
    """What a training took and reached."""

    steps: int = 0
    minutes: float = 0.0
    dialogues: int = 0
    tokens: int = 0
    learned: int = 0
    loss: float = 0.0

    def __add__(self, later: Outcome) -> Outcome:
        """Return what this training and a `later` one took together, and the loss of the later one."""
        return Outcome(
            self.steps + later.steps,
            self.minutes + later.minutes,
            self.dialogues + later.dialogues,
            self.tokens + later.tokens,
            self.learned + later.learned,
            later.loss,
        )


def pace(progress: float, plan: Plan) -> float:
    """Return the factor of the learning rates at `progress` (0 to 1): up, level, then down to zero."""
    if progress < plan.warm:
        return progress / plan.warm
    return min(1.0, (1.0 - progress) / plan.cool)


def train(
    network: Network,
    tokenizer: Tokenizer,
    plan: Plan,
    say: Callable[[str], None] = print,
    keep: Callable[[Network], None] = lambda network: None,
) -> Outcome:
    """Train `network`; the same network and plan on the same machine give the same weights.

    `keep` is called with the unfinished network after each `plan.every` steps.
    """
    torch.set_num_threads(plan.threads)
    optimisers: list[torch.optim.Optimizer] = [
        torch.optim.Muon(network.matrices(), lr=plan.rate_matrices, weight_decay=0.01),
        torch.optim.AdamW(network.others(), lr=plan.rate_others, betas=(0.9, 0.95), weight_decay=0.0),
    ]
    rates = [plan.rate_matrices, plan.rate_others]
    source = batches(tokenizer, plan.seed, plan.size, plan.copies)
    start, step, mean = time.monotonic(), 0, 0.0
    dialogues = tokens = learned = 0
    while True:
        minutes = (time.monotonic() - start) / 60
        progress = max(step / plan.steps, minutes / plan.minutes if plan.minutes else 0.0)
        if progress >= 1:
            break
        factor = max(pace(progress, plan), 1e-3)
        for optimiser, rate in zip(optimisers, rates, strict=True):
            for group in optimiser.param_groups:
                group["lr"] = rate * factor
        batch = next(source)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            loss = network(*batch)
        loss.backward()
        for optimiser in optimisers:
            optimiser.step()
            optimiser.zero_grad()
        step += 1
        dialogues += int((batch[1].amax(1) + 1).sum())
        tokens += int((batch[1] >= 0).sum())
        learned += int((batch[2] >= 0).sum())
        mean = loss.item() if step == 1 else 0.97 * mean + 0.03 * loss.item()
        if plan.every and step % plan.every == 0:
            keep(network)
        if step % 25 == 0:
            say(f"step {step}  loss {mean:.4f}  {minutes:.1f} min  {tokens / minutes / 60:.0f} tokens/s")
    return Outcome(step, (time.monotonic() - start) / 60, dialogues, tokens, learned, mean)
