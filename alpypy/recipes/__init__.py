"""From what was asked for to all that building it takes: versions/ and patches/, read."""
