"""What is new at PyPy, Alpine, PyPI and Debian, compared with versions/ and written there."""
