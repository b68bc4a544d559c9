"""The checks of a tarball, independent of the code that builds it."""
