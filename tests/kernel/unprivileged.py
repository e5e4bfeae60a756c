"""Being an ordinary user for a while."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

NOBODY = 65534


@contextmanager
def unprivileged() -> Iterator[None]:
    """Without root's capabilities inside; whoever is not root stays as they are. Skips the test where nobody else is to be had."""
    if os.geteuid() != 0:
        yield
        return
    try:
        os.seteuid(NOBODY)
    except OSError as error:
        pytest.skip(f"root can be nobody else here: {error.strerror}")
    try:
        yield
    finally:
        os.seteuid(0)
