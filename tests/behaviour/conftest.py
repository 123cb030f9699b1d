# SPDX-License-Identifier: Apache-2.0
"""Fixtures of the behaviour tests."""
import pytest

from host import Host


@pytest.fixture
def host():
    """A host of the test's own; when the test is over nothing of it may be left."""
    it = Host()
    yield it
    it.end()
