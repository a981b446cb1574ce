"""Work done ahead in a thread, so that what is due is not held up by making what is due later."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterator
from typing import Generic, TypeVar, final

Item = TypeVar("Item")

_LOOK = 0.1
"""Seconds between two looks at whether the reader has left."""


@final
class Ahead(Generic[Item]):
    """Iterates over `source()` in a thread of its own, at most `depth` items before the reader.

    As a context: leaving it ends the thread. What the source raises, the reader meets at its place.
    """

    def __init__(self, source: Callable[[], Iterator[Item]], depth: int = 2) -> None:
        self._source = source
        self._items: queue.Queue[Item | BaseException | None] = queue.Queue(depth)
        self._left = threading.Event()
        self._thread = threading.Thread(target=self._work, name="ahead", daemon=True)

    def __enter__(self) -> Iterator[Item]:
        self._thread.start()
        return iter(self._next, None)

    def __exit__(self, *_: object) -> None:
        self._left.set()
        self._thread.join()

    def _work(self) -> None:
        try:
            for item in self._source():
                if not self._put(item):
                    return
            self._put(None)
        except BaseException as error:  # noqa: BLE001  # the reader raises it
            self._put(error)

    def _put(self, item: Item | BaseException | None) -> bool:
        while not self._left.is_set():
            try:
                self._items.put(item, timeout=_LOOK)
            except queue.Full:
                continue
            return True
        return False

    def _next(self) -> Item | None:
        item = self._items.get()
        if isinstance(item, BaseException):
            raise item
        return item
