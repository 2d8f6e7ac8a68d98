"""What was said: conversations, and the log that outlives the kernel."""
