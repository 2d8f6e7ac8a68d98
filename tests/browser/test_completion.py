"""Tab in a magic's line, in JupyterLab's own popup."""

from __future__ import annotations

from tests.browser.conftest import OpenNotebook


def test_tab_offers_model_names_and_flags(open_notebook: OpenNotebook) -> None:
    """Behind `-m` the models' names, behind `--t` the flags that begin so, and Enter puts the choice in."""
    notebook = open_notebook(["%load_ext modelhub", "", "", ""])
    notebook.run(0)
    assert "tiny-chat" in notebook.complete(1, "%%chat -m ")
    notebook.page.keyboard.press("Escape")
    offered = notebook.complete(2, "%%chat --t")
    assert sorted(offered) == ["--temperature", "--top-k", "--top-p"]
    notebook.page.keyboard.press("Enter")
    notebook.wait("() => window.jupyterapp.shell.currentWidget.content.widgets[2].model.sharedModel.source === "
                  f"'%%chat {offered[0]}'")  # fmt: skip
    assert {"show", "load", "unload", "default", "ps"} <= set(notebook.complete(3, "%models "))
