"""alpypy: from a version number to a tested PyPy for Alpine Linux."""
