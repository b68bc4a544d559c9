"""A caching proxy for what builds download."""
