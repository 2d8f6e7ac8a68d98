"""Presets: named ways to ask a model."""
