"""What is new at the publishers of what versions/ lists, compared with it and written there."""
