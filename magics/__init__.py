"""The language in the cell: %%chat, %models, their arguments, interpolation and completion."""

if __name__ != "modelhub.magics":
    raise ImportError(f"this folder is modelhub.magics; you are importing it as {__name__!r}")
