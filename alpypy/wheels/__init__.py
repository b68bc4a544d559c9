"""Wheels for musl: built, repaired and tried in a clean Alpine."""
