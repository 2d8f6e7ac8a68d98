"""What comes of a step's logits: the next token of a choice, and the log probabilities of a prompt's tokens."""

from __future__ import annotations

from typing import Any

from modelhub.kernels.worker.logprobs import LogitsView, add_left, entry
from modelhub.kernels.worker.model import LoadedModel
from modelhub.kernels.worker.sampling import check
from modelhub.kernels.worker.sequence import Choice
from modelhub.kernels.worker.step_batch import Part


class Drawing:
    """Draws from the logits of one model's context."""

    def __init__(self, model: LoadedModel) -> None:
        """Draw from `model`."""
        self._model = model
        self._vocabulary = model.vocabulary
        self._logits = LogitsView(model.context, model.vocabulary.size)

    def draw(self, choice: Choice, row: int) -> tuple[list[Any], str | None]:
        """Draw a token of `choice` from a row of logits: the delta to send, and the finish reason if it was the last.

        A delta is `[request, choice, text, tokens, logprobs]`. Raises NoTokenLeft.
        """
        plan, chain = choice.request.plan, choice.chain
        assert chain is not None
        logits = self._logits(row)
        k = plan["top_logprobs"]
        # Bans are written into the logits: what they were before is copied first.
        before = logits.copy() if k is not None and chain.bans.any else logits
        left: dict[int, float] | None = None
        if plan["post_sampling_probs"]:
            token, left = chain.draw_shown(logits)
        else:
            token = chain.draw(self._model.context, row, logits)
        if self._vocabulary.ends(token):
            return [choice.request.id, choice.index, choice.text.end(), 0, None], "stop"
        piece = self._vocabulary.piece(token)
        chain.bans.drew(piece)
        shown = None
        if k is not None:
            shown = entry(self._vocabulary, before, token, k)
            if left is not None:
                add_left(shown, left)
        choice.pending = token
        choice.drawn += 1
        choice.starts.append(choice.size)
        choice.size += len(piece)
        text = choice.text.add(piece)
        reason = self._over(choice)
        if reason is not None:
            text += choice.text.end()
        return [choice.request.id, choice.index, text, 1, shown], reason

    def score(self, part: Part) -> tuple[int, list[Any]]:
        """Log probabilities of the prompt's tokens that `part` has evaluated the logits for.

        Returns where in the request's prompt they begin, and an entry for each. Raises NotNumbers.
        """
        choice = part.choice
        assert choice.slot is not None and choice.scored is not None
        begin = len(choice.slot.tokens) - len(part.tokens)  # row i says what is expected at begin + i + 1
        first = max(0, choice.scored - begin - 1)
        count = min(len(part.tokens), len(choice.prompt) - begin - 1)
        k = choice.request.plan["prompt_logprobs"] or 0
        rows = []
        for i in range(first, count):
            logits = self._logits(part.begin + i)
            check(logits)
            rows.append(entry(self._vocabulary, logits, choice.prompt[begin + i + 1], k))
        return choice.begin + begin + first + 1, rows

    def _over(self, choice: Choice) -> str | None:
        """The finish reason, when the token drawn last was the last one."""
        assert choice.slot is not None
        if choice.text.stopped is not None:
            return "stop"
        limit = choice.request.plan["max_tokens"]
        if limit is not None and choice.drawn >= limit:
            return "length"
        return "length" if len(choice.slot.tokens) + 1 >= self._model.context_length else None
