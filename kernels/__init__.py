"""Behind the cell: everything that is true without a notebook."""

if __name__ != "modelhub.kernels":
    raise ImportError(f"this folder is modelhub.kernels; you are importing it as {__name__!r}")
