"""What this kernel has used: requests and tokens by model, and what they cost where somebody says it.

Tokens are those the engines told. A cost is the one a reply states (`usage.cost`, as OpenRouter and Perplexity do), or
tokens times the prices of the provider's own list; nothing is estimated.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from modelhub.kernels.response import Response

MILLION = 1_000_000
COUNTS = ("prompt_tokens", "cached_tokens", "completion_tokens", "reasoning_tokens")
COUNTED = (*COUNTS, "cache_write_tokens")


@dataclass(frozen=True, slots=True)
class Cost:
    """What one answer cost, in US dollars. listed: the day of the list its prices stand in; "" where the reply says it.

    at_most: the list has no price for cached tokens, which are counted as the others.
    """

    dollars: float
    listed: str = ""
    at_most: bool = False


def cost_of(usage: Mapping[str, Any], prices: Mapping[str, Any]) -> Cost | None:
    """The cost of an answer, where it is known.

    usage: OpenAI's usage object. prices: US dollars for a million tokens, by `prompt`, `completion` and `cached`, and
    `listed`, the day; {} where no list states them.
    """
    said = usage.get("cost")
    stated = _number(said.get("total_cost") if isinstance(said, Mapping) else said)
    if stated is not None:
        return Cost(stated)
    tokens = tokens_of(usage)
    prompt, completion = _number(prices.get("prompt")), _number(prices.get("completion"))
    if prompt is None or completion is None or not {"prompt_tokens", "completion_tokens"} <= tokens.keys():
        return None
    if tokens.get("cache_write_tokens"):
        return None  # which cost more than others, and no list says how much
    cached, price = tokens.get("cached_tokens", 0), _number(prices.get("cached"))
    dollars = (tokens["prompt_tokens"] - cached) * prompt + tokens["completion_tokens"] * completion
    dollars += cached * (prompt if price is None else price)
    return Cost(dollars / MILLION, str(prices.get("listed", "")), bool(cached) and price is None)


def tokens_of(usage: Mapping[str, Any]) -> dict[str, int]:
    """The counts of a usage object that are counts, by their names, whatever else a provider wrote into it."""
    parts = [usage, usage.get("prompt_tokens_details"), usage.get("completion_tokens_details")]
    said = {name: value for part in parts if isinstance(part, Mapping) for name, value in part.items()}
    return {name: said[name] for name in COUNTED if type(said.get(name)) is int and said[name] >= 0}


def cost_text(cost: Cost) -> str:
    """As `$0.0012`, with `≤` before the most that it can be."""
    places = 2 if cost.dollars >= 1 else 4 if cost.dollars >= 0.01 or not cost.dollars else 6
    text = f"{cost.dollars:.{places}f}"
    if "." in text and places > 2:
        whole, _, part = text.partition(".")
        text = f"{whole}.{part.rstrip('0').ljust(2, '0')}"
    return f"{'≤ ' if cost.at_most else ''}${text}"


@dataclass(slots=True)
class Sum:
    """What one model has used. Counts are None where nobody told any; costs are US dollars.

    uncounted: requests of which something came and whose tokens nobody told. unpriced: requests with tokens whose cost
    is not known. listed: the days of the lists whose prices were used. at_most: whether a cost is an upper bound.
    """

    requests: int = 0
    failed: int = 0
    prompt_tokens: int | None = None
    cached_tokens: int | None = None
    completion_tokens: int | None = None
    reasoning_tokens: int | None = None
    uncounted: int = 0
    cost: float | None = None
    unpriced: int = 0
    at_most: bool = False
    listed: tuple[str, ...] = ()

    def add(self, response: Response) -> None:
        """Count one answer that has ended."""
        debug = response.debug
        usage = debug["usage"]
        self.requests += 1
        self.failed += response.error is not None
        for name, count in tokens_of(usage).items():
            if name in COUNTS:
                setattr(self, name, (getattr(self, name) or 0) + count)
        if not usage:
            self.uncounted += response.error is None or not response.empty
            return
        cost = cost_of(usage, debug.get("prices") or {})
        if cost is None:
            self.unpriced += 1
            return
        self.cost = (self.cost or 0.0) + cost.dollars
        self.at_most = self.at_most or cost.at_most
        if cost.listed and cost.listed not in self.listed:
            self.listed = (*self.listed, cost.listed)

    def join(self, other: Sum) -> None:
        """Add another model's."""
        for name in ("requests", "failed", "uncounted", "unpriced"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        for name in (*COUNTS, "cost"):
            if (more := getattr(other, name)) is not None:
                setattr(self, name, (getattr(self, name) or 0) + more)
        self.at_most = self.at_most or other.at_most
        self.listed = tuple(sorted({*self.listed, *other.listed}))

    def to_dict(self) -> dict[str, Any]:
        """As plain data."""
        return {name: getattr(self, name) for name in self.__slots__}


class UsageSums:
    """The sums of one hub. Safe from any thread."""

    def __init__(self) -> None:
        """Nothing was used."""
        self._lock = threading.Lock()
        self._sums: dict[str, Sum] = {}

    def add(self, model: str, response: Response) -> None:
        """Count an answer of `model`, its full name."""
        with self._lock:
            self._sums.setdefault(model, Sum()).add(response)

    def to_dict(self) -> dict[str, Any]:
        """`{"models": {full name: …}, "total": …}`, each as `Sum`."""
        total = Sum()
        with self._lock:
            for one in self._sums.values():
                total.join(one)
            return {"models": {name: one.to_dict() for name, one in self._sums.items()}, "total": total.to_dict()}


def _number(value: Any) -> float | None:
    """A finite number from 0; None for anything else."""
    fits = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value) and value >= 0
    return float(value) if fits else None
