"""States of a job's tasks in a folder that all executors reach, one a worker and instant, whole or not at all."""

from __future__ import annotations

import json
import logging
import pickle
import posixpath
import uuid
from typing import Any, final

from pyarrow import fs

_STATE, _SUMMARY = "state", "json"

_log = logging.getLogger(__name__)


@final
class States:
    """Reads and writes states; what is written twice for one instant is the same, so that the last one may win.

    States are pickles of this program's own objects: who can write to the folder can run code on the executors.

    Args:
        uri: of the folder: an absolute path, or file, hdfs, s3 and whatever else pyarrow has a file system for.
        job: names what the states belong to; others in the same folder are left alone.
    """

    def __init__(self, uri: str, job: str) -> None:
        self._files, root = fs.FileSystem.from_uri(uri)
        self._folder = posixpath.join(root, job)

    def write(self, worker: int, instant: int, state: object, summary: object) -> None:
        """Lay aside the state that a worker has at an instant, and what the driver wants to know of it."""
        self._files.create_dir(self._folder, recursive=True)
        self._put(self._path(worker, instant, _STATE), pickle.dumps(state, protocol=5))
        self._put(self._path(worker, instant, _SUMMARY), json.dumps(summary).encode())

    def read(self, worker: int, instant: int) -> Any | None:  # noqa: ANN401  # whatever was written
        """The state that a worker had at an instant; None where there is none, or none that this version can read."""
        path = self._path(worker, instant, _STATE)
        try:
            with self._files.open_input_stream(path) as stream:
                return pickle.loads(stream.read())  # noqa: S301  # see above
        except FileNotFoundError:
            return None
        except Exception:  # noqa: BLE001  # of another version, anything may be wrong; it can be made again
            _log.warning("%s cannot be read", path, exc_info=True)
            return None

    def summary(self, worker: int, instant: int) -> Any:  # noqa: ANN401  # whatever was written
        """What the driver wants to know.

        Raises:
            FileNotFoundError: it is not there: the folder is not the executors'.
        """
        with self._files.open_input_stream(self._path(worker, instant, _SUMMARY)) as stream:
            return json.loads(stream.read())

    def remove_before(self, instant: int) -> None:
        """Remove the states of earlier instants."""
        for path in self._paths():
            if int(posixpath.basename(path).split("-")[0]) < instant:
                self._delete(path)

    def remove(self) -> None:
        """Remove all of the job's states."""
        if self._paths():
            self._files.delete_dir(self._folder)

    def _path(self, worker: int, instant: int, kind: str) -> str:
        return posixpath.join(self._folder, f"{instant:020d}-{worker:04d}.{kind}")

    def _paths(self) -> list[str]:
        selector = fs.FileSelector(self._folder, allow_not_found=True)
        return [info.path for info in self._files.get_file_info(selector)]

    def _put(self, path: str, content: bytes) -> None:
        # A name of its own for each attempt: of two at the same task neither sees the other's half.
        part = f"{path}.{uuid.uuid4().hex}"
        with self._files.open_output_stream(part) as stream:
            stream.write(content)
        self._files.move(part, path)

    def _delete(self, path: str) -> None:
        try:
            self._files.delete_file(path)
        except FileNotFoundError:
            _log.info("%s is gone already", path)
