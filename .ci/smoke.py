"""Try an installed modelhub out: import it, load the extension, get one answer. `remote-only`: without llama.cpp."""

from __future__ import annotations

import contextlib
import http.server
import io
import sys
import threading

from IPython.core.interactiveshell import InteractiveShell


class Provider(http.server.BaseHTTPRequestHandler):
    """A provider of one model that says Paris."""

    def do_POST(self) -> None:
        """Answer a chat."""
        self.rfile.read(int(self.headers["content-length"]))
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.end_headers()
        chunk = b'{"choices": [{"index": 0, "delta": {"content": "Paris."}, "finish_reason": "stop"}]}'
        self.wfile.write(b"data: " + chunk + b"\n\ndata: [DONE]\n\n")

    def log_message(self, *said: object) -> None:
        """Nothing."""


def remote_answer(shell: InteractiveShell) -> str:
    """The text of a remote model, over a loopback socket."""
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Provider) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        shell.run_cell(f"%models provider add corp --base-url http://127.0.0.1:{server.server_port}/v1").raise_error()
        result = shell.run_cell("%chat -m corp/any What is the capital of France?")
        server.shutdown()
    result.raise_error()
    return str(result.result.text())


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
        remote = remote_answer(shell)
    assert [row["name"] for row in listed] == ["tiny-chat"], listed
    assert len(known) > 1, known
    assert remote == "Paris.", remote
    if sys.argv[1:] == ["remote-only"]:
        assert type(result.error_in_exec).__name__ == "EngineMissing", result.error_in_exec
        assert "pip install" in str(result.error_in_exec)
        assert "pip install 'jupyter-modelhub[local]'" in str(fetched), fetched
        print("smoke: without llama.cpp it imports, loads, answers remotely, and says how to install it")
    else:
        result.raise_error()
        assert "Paris" in printed.getvalue(), printed.getvalue()
        assert type(fetched).__name__ == "DownloadFailed", fetched
        print(f"smoke: {printed.getvalue().splitlines()[0]}")
    shell.run_line_magic("unload_ext", "modelhub")


if __name__ == "__main__":
    main()
