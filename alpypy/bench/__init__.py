"""Benchmarks: interpreters are measured in turn, and compared."""
