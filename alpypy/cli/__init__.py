"""The commands: what a person types, and how errors and signals end it."""
