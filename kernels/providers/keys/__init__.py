"""Keys: where they come from, where they are kept, whom they are given to."""
