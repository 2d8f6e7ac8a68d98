"""Try an installed modelhub out: import it, load the extension, get one answer. `remote-only`: without llama.cpp."""

from __future__ import annotations

import contextlib
import io
import sys

from IPython.core.interactiveshell import InteractiveShell


def main() -> None:
    """Run the smoke test; exit 1 with what is wrong."""
    import modelhub

    assert "site-packages" in str(modelhub.__file__), f"not the installed package: {modelhub.__file__}"
    shell = InteractiveShell.instance()
    shell.run_line_magic("load_ext", "modelhub")
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        result = shell.run_cell("%%chat -t 0\nWhat is the capital of France?")
        listed, known = shell.run_cell("%models").result, shell.run_cell("%models browse smollm").result
        fetched = shell.run_cell("%models pull owner/repo").error_in_exec
    assert [row["name"] for row in listed] == ["tiny-chat"], listed
    assert len(known) > 1, known
    if sys.argv[1:] == ["remote-only"]:
        assert type(result.error_in_exec).__name__ == "EngineMissing", result.error_in_exec
        assert "pip install" in str(result.error_in_exec)
        assert "pip install 'jupyter-modelhub[local]'" in str(fetched), fetched
        print("smoke: without llama.cpp it imports, loads, and says how to install it")
    else:
        result.raise_error()
        assert "Paris" in printed.getvalue(), printed.getvalue()
        assert type(fetched).__name__ == "DownloadFailed", fetched
        print(f"smoke: {printed.getvalue().splitlines()[0]}")
    shell.run_line_magic("unload_ext", "modelhub")


if __name__ == "__main__":
    main()
