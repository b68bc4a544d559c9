"""A build from what was asked for to a verified tarball."""
