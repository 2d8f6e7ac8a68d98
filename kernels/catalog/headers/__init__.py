"""What a GGUF says of itself, read without llama.cpp."""
