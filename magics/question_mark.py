"""`%chat What is the capital of France?`: a question may end with its mark.

IPython takes a line that ends with a name and `?` for a wish to see that name's documentation, also behind a magic. An
input transformer puts a comment behind such a line, which that rule does not see past; the magic takes it off again.
"""

from __future__ import annotations

MARK = "  #modelhub: a question"
NAMES = ("chat", "mh", "perplexity")  # the line magics whose text may end so


def keep_questions(lines: list[str]) -> list[str]:
    """The cell's lines, with MARK behind each `%chat …?` and `name = %chat …?` that is code, not text in a string."""
    if not any("?" in line and any(f"%{name}" in line for name in NAMES) for line in lines):
        return lines
    if next((line for line in lines if line.strip()), "").lstrip().startswith("%%"):
        return lines  # a cell magic's body is text
    from IPython.core.inputtransformer2 import make_tokens_by_line

    marked = list(lines)
    for tokens in make_tokens_by_line(lines):
        words = [t for t in tokens if t.string.strip()]
        names = [t.string for t in words[:4]]
        at = 2 if names[1:2] == ["="] else 0
        asks = names[at : at + 1] == ["%"] and any(name in NAMES for name in names[at + 1 : at + 2])
        # `%chat?` itself asks for the documentation; the third word must be something else.
        if asks and len(words) > at + 3 and words[-1].string == "?" and words[at + 2].string != "?":
            row = words[-1].end[0] - 1
            marked[row] = marked[row].rstrip("\n") + MARK + ("\n" if marked[row].endswith("\n") else "")
    return marked


def without_mark(line: str) -> str:
    """The magic's line as it was typed."""
    return line.removesuffix(MARK)
