"""Releases: their index, pages, upload and download."""
