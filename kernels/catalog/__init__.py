"""Which models there are: cards, GGUF headers, the models home, names."""
