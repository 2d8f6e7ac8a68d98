"""What is in memory: engines, the room they need, and how long they stay when nobody asks them."""

from modelhub.kernels.residency.residency import Residency

__all__ = ["Residency"]
