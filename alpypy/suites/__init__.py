"""A PyPy's own test suites: run in a clean Alpine and held against the expected failures."""
