"""Turns a target into everything that building it needs, from versions/ and patches/."""
