"""Tables as JupyterLab shows them."""

from __future__ import annotations

from tests.browser.conftest import OpenNotebook

FORMULA = "from IPython.display import HTML\nHTML('a formula: $x_1$')"
PRICES = """
from modelhub.magics.table import Table

Table([{"price": "$0.4 and $1.6"}], [{"price": "prompt $0.4, completion $1.6"}], "from $1 to $2")
"""


ANSWER = """
from IPython.display import HTML
from modelhub.nbext.markdown import to_html

HTML(to_html("It costs $5 and $7, and a formula: $x_1$"))
"""


def test_two_prices_are_no_formula(open_notebook: OpenNotebook) -> None:
    """JupyterLab sets what stands between two dollars as a formula; prices of a table and its note stay as they are."""
    notebook = open_notebook(["%load_ext modelhub", PRICES, FORMULA])
    notebook.run(0)
    output = notebook.run(1)
    notebook.run(2).locator("mjx-container").wait_for()  # what came before it is set by now
    assert "prompt $0.4, completion $1.6" in output.inner_text() and "from $1 to $2" in output.inner_text()


def test_two_prices_of_an_answer_are_no_formula(open_notebook: OpenNotebook) -> None:
    """Prices of an answer stay as they are, and its formula is set."""
    notebook = open_notebook([ANSWER])
    output = notebook.run(0)
    output.locator("mjx-container").wait_for()
    assert "It costs $5 and $7" in output.inner_text() and output.locator("mjx-container").count() == 1
