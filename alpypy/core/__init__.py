"""What all packages use: errors, files, downloads, archives, stages. Nothing here is about PyPy."""
