"""Figures against peers, printed as ratios or counts of one run. `make bench` runs them all."""
