"""What the integration tests share: one broker for all of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from simulator.broker.embedded import EmbeddedBroker

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="session")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedBroker]:
    """Yield a running broker; each test uses topics with names of its own."""
    with EmbeddedBroker(tmp_path_factory.mktemp("broker")) as running:
        yield running
