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
    if sys.argv[1:] == ["remote-only"]:
        assert type(result.error_in_exec).__name__ == "EngineMissing", result.error_in_exec
        assert "pip install" in str(result.error_in_exec)
        print("smoke: without llama.cpp it imports, loads, and says how to install it")
    else:
        result.raise_error()
        assert "Paris" in printed.getvalue(), printed.getvalue()
        print(f"smoke: {printed.getvalue().splitlines()[0]}")
    shell.run_line_magic("unload_ext", "modelhub")


if __name__ == "__main__":
    main()
