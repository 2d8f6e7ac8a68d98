"""Who serves models: records as data, dialects, keys, lists, the bytes of their replies."""
