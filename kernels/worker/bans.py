"""What may not be drawn: tokens banned by their id, end tokens, and texts that must not appear.

Bans are written into the logits before the samplers see them, because which tokens they concern changes from one
token to the next.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from modelhub.kernels.worker.vocabulary import Vocabulary


class Bans:
    """The bans of one sequence."""

    def __init__(self, plan: dict[str, Any], vocabulary: Vocabulary) -> None:
        """Bans for the plan's `ignore_eos`, `min_tokens` and `suppress`."""
        self._vocabulary = vocabulary
        self._always: list[int] = []
        self._drawn = 0
        self._least = plan["min_tokens"]
        self._texts = [text.encode() for text in plan["suppress"]]
        self._longest = max(map(len, self._texts), default=0)
        self._tail = b""
        self.names: list[str] = []  # as `response.debug` lists them
        if plan["ignore_eos"]:
            self.names.append("ignore_eos")
            self.always(vocabulary.end_tokens)
        elif self._least:
            self.names.append(f"min_tokens({self._least})")
        if self._texts:
            self.names.append(f"suppress({len(self._texts)})")
            self.always([token for text in self._texts for token in vocabulary.containing(text)])

    @property
    def any(self) -> bool:
        """Whether anything may be banned."""
        return bool(self._always or self._least or self._texts)

    def always(self, tokens: Sequence[int]) -> None:
        """Ban `tokens` for good."""
        self._always = sorted({*self._always, *tokens})

    def apply(self, logits: Any) -> None:
        """Write the bans in force now into `logits`, shape (vocabulary,)."""
        if self._always:
            logits[self._always] = -np.inf
        if self._drawn < self._least:
            logits[self._vocabulary.end_tokens] = -np.inf
        for text in self._texts:
            # A token that goes on from what stands at the end of the answer and completes the text.
            for length in range(1, min(len(text) - 1, len(self._tail)) + 1):
                if self._tail.endswith(text[:length]):
                    logits[self._vocabulary.beginning(text[length:])] = -np.inf

    def drew(self, piece: bytes) -> None:
        """A token of these bytes was drawn."""
        self._drawn += 1
        if self._longest:
            self._tail = (self._tail + piece)[-self._longest :]
