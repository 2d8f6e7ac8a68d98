"""What is seen: answers as MIME bundles, the live stream, the nbextpec."""

if __name__ != "modelhub.nbext":
    raise ImportError(f"this folder is modelhub.nbext; you are importing it as {__name__!r}")
