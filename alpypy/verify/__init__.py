"""The checks of a tarball, apart from the code that builds it."""
