"""Who serves models: so far, where their keys are kept."""
