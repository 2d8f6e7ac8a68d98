"""What goes wrong at a provider: its kind, its words without secrets, what to type next, whether to ask again."""
