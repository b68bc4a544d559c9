"""The container engine: the one package that speaks to Docker's API."""
