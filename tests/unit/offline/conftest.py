"""What these tests share: mirrors on loopback are asked at once, and without a proxy."""

from __future__ import annotations

import pytest


@pytest.fixture(autouse=True)
def reached_directly(direct: None) -> None:
    """All of them."""
