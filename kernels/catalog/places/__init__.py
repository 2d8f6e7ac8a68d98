"""Where models lie on this machine, and what is done with their files."""
