"""Lists of models: fetched, kept, shown stale where they must be; and what is known of who serves them."""
