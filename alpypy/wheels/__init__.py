"""Build wheels for musl, repair them, and test them in a clean Alpine."""
