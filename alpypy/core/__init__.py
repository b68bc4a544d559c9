"""What every package uses: errors, files, downloads, archives, stages. It knows no PyPy."""
