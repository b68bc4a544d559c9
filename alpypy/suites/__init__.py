"""A PyPy's own test suites: run them in a clean Alpine and compare with the expected failures."""
