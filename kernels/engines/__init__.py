"""How a request runs: the Engine protocol, and the local engine, which owns a worker process."""
