"""A JupyterLab server of its own: fresh folders, no token, nothing of the user's read or written."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
START_SECONDS = 90.0
END_SECONDS = 20.0

SETTINGS = {
    # Else cells off the screen, and outputs beyond the fiftieth, are not in the page.
    "@jupyterlab/notebook-extension/tracker": {"windowingMode": "none", "maxNumberOutputs": 1000},
    "@jupyterlab/apputils-extension/notification": {"fetchNews": "false", "checkForUpdates": False},
    "@jupyterlab/docmanager-extension/plugin": {"autosave": False},
}
OPTIONS = (
    "--no-browser",
    "--allow-root",
    "--ServerApp.ip=127.0.0.1",
    "--ServerApp.port=0",
    "--ServerApp.port_retries=0",
    "--IdentityProvider.token=",
    "--ServerApp.password=",
    "--ServerApp.disable_check_xsrf=True",
    "--LabApp.expose_app_in_browser=True",
    "--LabApp.extension_manager=readonly",
    "--LabApp.news_url=",
)


class Lab:
    """One server process; `stop` ends it and every kernel it started."""

    def __init__(self, folder: Path, theme: str = "JupyterLab Light", **environment: str) -> None:
        """Start it and wait until it answers. `folder` holds all it reads and writes; notebooks lie in folder/root."""
        self.root = folder / "root"
        self.root.mkdir(parents=True)
        spec = folder / "data" / "kernels" / "modelhub"
        shutil.copytree(ROOT / "nbext" / "kernelspec", spec)
        settings = {**SETTINGS, "@jupyterlab/apputils-extension/themes": {"theme": theme}}
        for plugin, values in settings.items():
            package, _, name = plugin.rpartition("/")
            file = folder / "settings" / package / f"{name}.jupyterlab-settings"
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(json.dumps(values), "utf-8")
        places = {
            "JUPYTER_CONFIG_DIR": "config",
            "JUPYTER_DATA_DIR": "data",
            "JUPYTER_RUNTIME_DIR": "runtime",
            "JUPYTERLAB_SETTINGS_DIR": "settings",
            "JUPYTERLAB_WORKSPACES_DIR": "workspaces",
            "IPYTHONDIR": "ipython",
            "MODELHUB_HOME": "home",
        }
        inherited = {k: v for k, v in os.environ.items() if not k.startswith(("MODELHUB_", "JUPYTER", "JPY_"))}
        env = {**inherited, **{name: str(folder / place) for name, place in places.items()}}
        env |= {"MODELHUB_PLACES": "none", "MODELHUB_PLUGINS": "off", **environment}
        self._log = (folder / "server.log").open("wb")
        self._process = subprocess.Popen(
            [sys.executable, "-m", "jupyter", "lab", *OPTIONS, f"--ServerApp.root_dir={self.root}"],
            env=env,
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=self._log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            self.url = self._wait_for_url(folder / "runtime")
        except BaseException:
            self.stop()
            raise

    def _wait_for_url(self, runtime: Path) -> str:
        """The server's address, once it answers."""
        end = time.monotonic() + START_SECONDS
        while time.monotonic() < end and self._process.poll() is None:
            for file in runtime.glob(f"jpserver-{self._process.pid}.json"):
                with contextlib.suppress(ValueError, OSError):  # half written, or not listening yet
                    url = str(json.loads(file.read_text("utf-8"))["url"])
                    self._ask("GET", "api/status", url)
                    return url
            time.sleep(0.05)
        log = Path(self._log.name).read_text("utf-8", "replace")
        raise RuntimeError(f"JupyterLab did not start in {START_SECONDS:g} s:\n{log[-3000:]}")

    def end_kernels(self) -> None:
        """Shut down every kernel and forget every session."""
        for session in self._ask("GET", "api/sessions"):
            self._ask("DELETE", f"api/sessions/{session['id']}")
        for kernel in self._ask("GET", "api/kernels"):
            self._ask("DELETE", f"api/kernels/{kernel['id']}")

    def stop(self) -> None:
        """End the server and what it started, also where it does not listen any more."""
        for end in (signal.SIGTERM, signal.SIGKILL):
            with contextlib.suppress(ProcessLookupError):
                os.kill(self._process.pid, end)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(END_SECONDS)
                break
        self._log.close()

    def _ask(self, method: str, path: str, url: str | None = None) -> Any:
        request = urllib.request.Request((url or self.url) + path, method=method)
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(request, timeout=30) as reply:
            text = reply.read()
        return json.loads(text) if text else None
