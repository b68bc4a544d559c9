"""Run-time images: a verified PyPy on Alpine."""
