"""A `%chat` line may end with a question mark, which IPython reads as a wish for documentation."""

from __future__ import annotations

import pytest

from modelhub.magics.question_mark import MARK, keep_questions
from tests.kernel import Kernel

QUESTION = "%chat -t 0 --max-tokens 4 What is the capital of France?"


@pytest.mark.parametrize("code", [QUESTION, f"for i in [1]:\n    {QUESTION}", f"r = {QUESTION}\nr", QUESTION + "\n1"])
def test_the_question_is_asked(one_kernel: Kernel, code: str) -> None:
    """Alone, in a loop, assigned or followed by other lines, the whole question is sent, mark included."""
    ran = one_kernel.run(code)
    request = ran.outputs[0]["application/vnd.modelhub.chat+json"]["request"]
    assert request["messages"][-1]["content"] == "What is the capital of France?"


@pytest.mark.parametrize(
    "code",
    [
        "%chat?\n",
        "%mh??\n",
        'text = """\n%chat is it?\n"""\n',
        "%%chat\n%chat is it?\n",
        "print?\n",
        "x = 1 # %chat?\n",
    ],
)
def test_everything_else_stays(code: str) -> None:
    """Documentation, strings, the body of a cell magic and plain Python pass as they are."""
    lines = code.splitlines(keepends=True)
    assert keep_questions(lines) == lines


def test_the_mark_is_a_comment() -> None:
    """A marked line ends with a comment, whatever it was."""
    assert keep_questions(["%mh really?"]) == ["%mh really?" + MARK]
