"""Tables as JupyterLab shows them."""

from __future__ import annotations

from tests.browser.conftest import OpenNotebook

FORMULA = "from IPython.display import HTML\nHTML('a formula: $x_1$')"
PRICES = """
from modelhub.magics.table import Table

Table([{"price": "$0.4 and $1.6"}], [{"price": "prompt $0.4, completion $1.6"}], "from $1 to $2")
"""


def test_two_prices_are_no_formula(open_notebook: OpenNotebook) -> None:
    """JupyterLab sets what stands between two dollars as a formula; prices of a table and its note stay as they are."""
    notebook = open_notebook(["%load_ext modelhub", PRICES, FORMULA])
    notebook.run(0)
    output = notebook.run(1)
    notebook.run(2).locator("mjx-container").wait_for()  # what came before it is set by now
    assert "prompt $0.4, completion $1.6" in output.inner_text() and "from $1 to $2" in output.inner_text()
