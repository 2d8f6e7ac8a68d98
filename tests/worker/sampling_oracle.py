"""What each sampler should leave of a distribution, worked out again with numpy from the papers' definitions.

A distribution is a dict from token id to natural log probability; what comes back is renormalised.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

Distribution = dict[int, float]


def normal(left: Distribution) -> Distribution:
    """The same, so that the probabilities sum to 1."""
    values = np.array(list(left.values()))
    total = values.max() + np.log(np.exp(values - values.max()).sum())
    return dict(zip(left, (values - total).tolist(), strict=True))


def ranked(d: Distribution) -> list[int]:
    """The tokens, most probable first."""
    return sorted(d, key=lambda t: -d[t])


def banned(d: Distribution, tokens: Sequence[int]) -> Distribution:
    return normal({t: v for t, v in d.items() if t not in tokens})


def biased(d: Distribution, bias: dict[int, float]) -> Distribution:
    return normal({t: v + bias.get(t, 0.0) for t, v in d.items()})


def top_k(d: Distribution, k: int) -> Distribution:
    return normal({t: d[t] for t in ranked(d)[:k]})


def top_p(d: Distribution, p: float, keep: int = 1) -> Distribution:
    """The smallest set of most probable tokens whose sum reaches p (Holtzman 2019)."""
    kept: Distribution = {}
    total = 0.0
    for t in ranked(d):
        kept[t] = d[t]
        total += np.exp(d[t])
        if total >= p and len(kept) >= keep:
            break
    return normal(kept)


def min_p(d: Distribution, p: float, keep: int = 1) -> Distribution:
    """Tokens at least p times as probable as the best one (Nguyen 2024)."""
    best = max(d.values())
    return normal({t: d[t] for i, t in enumerate(ranked(d)) if d[t] >= best + np.log(p) or i < keep})


def typical(d: Distribution, p: float) -> Distribution:
    """Tokens whose surprise is nearest to the entropy, until their sum passes p (Meister 2022)."""
    entropy = -sum(np.exp(v) * v for v in d.values())
    kept: Distribution = {}
    total = 0.0
    for t in sorted(d, key=lambda t: abs(-d[t] - entropy)):
        kept[t] = d[t]
        total += np.exp(d[t])
        if total > p:
            break
    return normal(kept)


def top_n_sigma(d: Distribution, n: float) -> Distribution:
    """Tokens whose logit is within n standard deviations of the best (Tang 2024)."""
    values = np.array(list(d.values()))
    return normal({t: v for t, v in d.items() if v >= values.max() - n * values.std()})


def xtc(d: Distribution, threshold: float, keep: int = 1) -> Distribution:
    """Without the tokens above the threshold, but for the least probable of them."""
    above = [t for t in ranked(d) if np.exp(d[t]) >= threshold]
    dropped = above[:-1]
    if len(d) - len(dropped) < keep:
        return d
    return normal({t: v for t, v in d.items() if t not in dropped})


def tempered(d: Distribution, temperature: float) -> Distribution:
    return normal({t: v / temperature for t, v in d.items()})


def dynamic(d: Distribution, temperature: float, spread: float, exponent: float, size: int) -> Distribution:
    """A temperature between temperature - spread and + spread by the entropy, relative to that of `size` tokens."""
    entropy = -sum(np.exp(v) * v for v in d.values()) / np.log(size)
    low, high = max(0.0, temperature - spread), temperature + spread
    return tempered(d, low + (high - low) * entropy**exponent)


def penalised(d: Distribution, logits: Distribution, seen: Sequence[int], repeat: float, frequency: float,
              presence: float) -> Distribution:  # fmt: skip
    """With penalties for the tokens `seen`; `repeat` divides positive logits and multiplies negative ones."""
    out = dict(logits)
    for t in {*seen} & {*logits}:
        out[t] = out[t] / repeat if out[t] > 0 else out[t] * repeat
        out[t] -= seen.count(t) * frequency + presence
    return normal(out)


def mirostat_2(d: Distribution, mu: float) -> Distribution:
    """Tokens whose surprise in bits is at most mu, at least one (Basu 2020)."""
    kept = {t: v for t, v in d.items() if -v / np.log(2) <= mu}
    return normal(kept or top_k(d, 1))


def mirostat_1(d: Distribution, mu: float, vocabulary: int, m: int = 100) -> Distribution:
    """The k most probable tokens, k from a Zipf slope that the first m tokens show (Basu 2020)."""
    order = ranked(d)
    pairs = range(min(m - 1, len(order) - 1))
    steps = np.log([(i + 2) / (i + 1) for i in pairs])
    drops = np.array([d[order[i]] - d[order[i + 1]] for i in pairs])
    slope = (steps * drops).sum() / (steps**2).sum()
    epsilon = slope - 1
    k = ((epsilon * 2**mu) / (1 - vocabulary**-epsilon)) ** (1 / slope)
    return top_k(d, max(int(k), 1))


def dry(d: Distribution, seen: Sequence[int], breakers: set[int], multiplier: float, base: float, allowed: int
        ) -> Distribution:  # fmt: skip
    """A penalty for each token that would go on a repetition of at least `allowed` tokens.

    `breakers` end a repetition and are not penalised themselves.
    """
    longest: dict[int, int] = {}
    for end in range(len(seen) - 1):  # is what ends at `end` the same as what ends at the end?
        length = 0
        while (length <= end and seen[end - length] == seen[len(seen) - 1 - length]
               and seen[end - length] not in breakers):  # fmt: skip
            length += 1
        if length:
            follower = seen[end + 1]
            longest[follower] = max(longest.get(follower, 0), length)
    penalty = {t: multiplier * base ** (n - allowed) for t, n in longest.items() if n >= allowed and t not in breakers}
    return normal({t: v - penalty.get(t, 0.0) for t, v in d.items()})
