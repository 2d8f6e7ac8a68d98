"""The process that fetches: what is slow, or hangs, or is killed half way, is not in the kernel.

It has the settings of the moment it is started (HF_TOKEN, HF_ENDPOINT, proxies), keeps the kernel's memory and its one
interpreter lock out of it, can be ended at any byte, and ends with its kernel.
"""
