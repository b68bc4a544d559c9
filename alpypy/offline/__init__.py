"""The kit: Alpine with build packages, for machines that reach only PyPI and Debian."""
