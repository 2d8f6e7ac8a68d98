"""The exam's marks, taken through llama.cpp: how the shipped file answers, not the network in PyTorch."""

from __future__ import annotations

import argparse
import math
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from llama_cpp import Llama

from tiny_model import card, questions
from tiny_model.questions import Question

#: Questions that any of several answers is right for.
OPEN = ["Name a colour.", "Name an animal.", "Pick a number from one to ten.", "Heads or tails?"]


@dataclass
class Marks:
    """Right answers and questions by family, and what went wrong."""

    right: Counter[str] = field(default_factory=Counter)
    asked: Counter[str] = field(default_factory=Counter)
    wrong: list[tuple[Question, str]] = field(default_factory=list)

    @property
    def share(self) -> float:
        """Share of right answers, 0 to 1."""
        return self.right.total() / self.asked.total()


def load(path: Path, context: int = 1024) -> Llama:
    """Open the GGUF at `path`."""
    return Llama(str(path), n_ctx=context, n_threads=2, verbose=False, logits_all=False, seed=1)


def answer(model: Llama, messages: list[Any], tools: list[Any] | None = None, temperature: float = 0.0) -> str:
    """Return what the model says next, as text."""
    reply: Any = model.create_chat_completion(
        messages, tools=tools, temperature=temperature, max_tokens=400, top_p=1.0, top_k=0, min_p=0.0,
        repeat_penalty=1.0,
    )  # fmt: skip
    return reply["choices"][0]["message"]["content"] or ""


def mark(model: Llama, exam: list[Question]) -> Marks:
    """Ask every question of `exam` greedily."""
    marks = Marks()
    for question in exam:
        said = answer(model, question.messages, question.tools)
        marks.asked[question.family] += 1
        if question.right(said):
            marks.right[question.family] += 1
        else:
            marks.wrong.append((question, said))
    return marks


def spread(model: Llama, prompt: str, draws: int = 200) -> tuple[float, list[tuple[str, int]]]:
    """Return the entropy in bits of `draws` answers at temperature 1, and the answers by their number."""
    said = Counter(answer(model, [{"role": "user", "content": prompt}], temperature=1.0) for _ in range(draws))
    entropy = -sum(n / draws * math.log2(n / draws) for n in said.values())
    return entropy, said.most_common()


def table(known: Marks, unseen: Marks) -> str:
    """Return the marks as a Markdown table."""
    lines = ["| Family | Wordings of the training | Unseen wordings |", "|---|---:|---:|"]
    for family in known.asked:
        lines.append(
            f"| {family} | {known.right[family]} of {known.asked[family]} "
            f"| {unseen.right[family]} of {unseen.asked[family]} |"
        )
    lines.append(
        f"| **all** | **{known.right.total()} of {known.asked.total()}** ({known.share:.1%}) "
        f"| **{unseen.right.total()} of {unseen.asked.total()}** ({unseen.share:.1%}) |"
    )
    return "\n".join(lines)


def report(path: Path, say: Callable[[str], None] = print) -> str:
    """Score the GGUF at `path`; say what was wrong and return the tables for the card."""
    model = load(path)
    known, unseen = mark(model, questions.held_in()), mark(model, questions.held_out())
    for marks in (known, unseen):
        for question, said in marks.wrong:
            asked = [message["content"] for message in question.messages if message["role"] != "assistant"]
            say(f"{question.family}: {asked}\n   said   {said!r}\n   wanted {question.expected!r}")
    lines = [
        table(known, unseen),
        "",
        "| Asked at temperature 1, 200 times | Entropy | Answers |",
        "|---|---:|---|",
    ]
    for prompt in OPEN:
        bits, answers = spread(model, prompt)
        top = ", ".join(f"{said} {number / 200:.0%}" for said, number in answers[:5])
        lines.append(f"| {prompt} | {bits:.2f} bits | {len(answers)} different; the most frequent: {top} |")
    return "\n".join(lines)


def main() -> None:
    """Score a GGUF, print the tables, and put them into the card beside it."""
    parser = argparse.ArgumentParser(prog="python -m tiny_model.score", description=main.__doc__)
    parser.add_argument("path", type=Path, nargs="?", default=Path("kernels/models/tiny-chat.gguf"))
    path = parser.parse_args().path
    tables = report(path)
    print(tables)
    card.put(path.with_suffix(".md"), "scores", tables)


if __name__ == "__main__":
    main()
