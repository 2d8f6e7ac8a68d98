"""llama.cpp's own server, as xllamacpp packages it: `python llama_server.py FILE CONTEXT` until stdin ends."""

from __future__ import annotations

import sys

import xllamacpp

params = xllamacpp.CommonParams()
params.model.path = sys.argv[1]
params.model_alias = {"tiny-chat"}
params.n_parallel = 2
params.n_ctx = 2 * int(sys.argv[2])  # shared out among the slots
params.cpuparams.n_threads = 1
params.hostnames, params.port = ["127.0.0.1"], 0
server = xllamacpp.Server(params)
print(f"running on {server.listening_address}", flush=True)
sys.stdin.read()
