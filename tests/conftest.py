"""What all tests share: how hypothesis looks for counter-examples."""

from __future__ import annotations

from hypothesis import settings

# No deadline: how long one example takes says how busy the machine is.
settings.register_profile("alpypy", deadline=None)
settings.load_profile("alpypy")
