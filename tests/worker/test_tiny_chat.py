"""The packaged model knows what its card says: the exam, asked greedily through the worker."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence

import pytest

from modelhub.kernels.catalog.catalog import PACKAGED
from modelhub.kernels.engines.worker_process import WorkerProcess
from modelhub.kernels.hub import Hub
from modelhub.kernels.protocol.load_params import LoadParams
from modelhub.kernels.protocol.messages import for_template
from modelhub.kernels.protocol.plan import plan_of
from modelhub.kernels.protocol.request import ChatRequest
from tiny_model.questions import Question, held_in, held_out

MODEL = PACKAGED / "tiny-chat.gguf"


async def _answers(questions: Sequence[Question]) -> list[str]:
    """What the model says to each question; all are asked at once."""
    worker = await WorkerProcess.start("tiny-chat", str(MODEL), LoadParams(), lambda part: None)

    async def ask(question: Question) -> str:
        request = ChatRequest.make(
            model="tiny-chat", messages=question.messages, temperature=0.0, max_completion_tokens=400
        )
        message = {"m": "chat", "messages": for_template(request.messages), "plan": plan_of(request)}
        pieces = []
        async for answer in worker.request({**message, "tools": question.tools}):
            assert answer["m"] != "error", answer
            if answer["m"] == "delta":
                pieces.append(answer["d"][2])
        return "".join(pieces)

    try:
        return await asyncio.gather(*(ask(q) for q in questions))
    finally:
        await worker.stop()


@pytest.mark.parametrize(("exam", "count", "least"), [(held_in, 200, 0.97), (held_out, 60, 0.80)])
def test_the_exam(exam: object, count: int, least: float) -> None:
    """200 wordings of the training and 60 it never saw: at least 97 % and 80 % are answered right, greedily."""
    questions = exam()  # type: ignore[operator]
    assert len(questions) == count
    wrong = [
        f"{question.family}: {question.messages[-1]['content']!r} → {answer!r}"
        for question, answer in zip(questions, asyncio.run(_answers(questions)), strict=True)
        if not question.right(answer)
    ]
    assert 1 - len(wrong) / count >= least, "\n".join(wrong)


def test_its_size() -> None:
    """The file is at most 4 MB, and its card lies beside it."""
    assert MODEL.stat().st_size <= 4_000_000
    assert MODEL.with_suffix(".md").is_file()


def test_any_unicode_survives(hub: Hub) -> None:
    """Text of any script goes into the prompt and comes back out of the tokens unharmed."""
    text = "héllo ✓ 你好 🎈 \u200d\u202e ﷽ \x00 {}\t"
    response = hub.chat(text, temperature=0.0, max_tokens=1)
    response.text()
    assert json.dumps(text) in json.dumps(response.request.messages[0].content)
    assert text in response.debug["prompt"]


def test_a_flat_question_has_a_flat_distribution(hub: Hub) -> None:
    """Asked for a colour it is sure of none: at temperature 1 a dozen answers come up."""
    answers = [hub.chat("Name a colour.", temperature=1.0, seed=seed, max_tokens=12) for seed in range(120)]
    assert len({a.text() for a in answers}) >= 8
