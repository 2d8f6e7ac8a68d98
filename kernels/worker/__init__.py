"""The child process in which one loaded GGUF lives: link, scheduler, sampling, log probabilities, templates.

Nothing here imports a network client, a key, the store or the catalogue. Only the modules that run in the child
import numpy and llama_cpp; `link` is shared with the kernel side and imports neither.
"""
