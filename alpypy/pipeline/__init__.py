"""A whole build: from a request to a verified tarball."""
