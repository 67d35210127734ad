"""Send an archive to the storage while it is still being downloaded and checked.

Nothing becomes visible by that: the upload is published with the manifest, after the archive was checked as a whole,
and discarded when it is rejected.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from airflow_provider_maestroqa.client.temp_file import TempFile
from airflow_provider_maestroqa.landing.download.content_detection import is_archive
from airflow_provider_maestroqa.landing.download.follower import Follower
from airflow_provider_maestroqa.landing.publish import Publication, SentFile
from airflow_provider_maestroqa.storage.base import noop

_MAGIC_SIZE = 4
_BLOCK = 1 << 18
_TICK_S = 5.0


class EarlySending(Follower):
    """Sends the file that is being downloaded, if it is an archive.

    :param temp_file: the file.
    :param publication: takes it.
    :param name: under which it will be published.
    :param max_bytes: the most that the file may hold, where the storage does not send its size.
    :param early: whether an archive is stored as it comes; else nothing is sent.
    """

    def __init__(
        self,
        temp_file: TempFile,
        publication: Publication,
        name: str,
        *,
        content_type: str,
        max_bytes: int,
        early: bool,
    ) -> None:
        super().__init__(temp_file.fileno(), "maestroqa-send", early=early)
        self._temp_file = temp_file
        self._publication = publication
        self._name = name
        self._content_type = content_type
        self._max_bytes = max_bytes
        self._sent: SentFile | None = None
        self._error: BaseException | None = None
        self._offset = 0

    @property
    def is_void(self) -> bool:
        """Whether the download has started over, so that the file must be sent again."""
        return self._stopped

    def finish(self, on_progress: Callable[[int], None]) -> SentFile | None:
        """Wait until the storage has the whole file, after the download is complete.

        :param on_progress: called now and then with the bytes that were sent.
        :return: ``None`` when the file must be sent again.
        :raises MaestroQAError: the storage failed.
        """
        while self._thread.is_alive():
            self._thread.join(_TICK_S)
            on_progress(self._offset)
        if self._stopped:
            self._publication.discard(self._name)
            return None
        if self._error is not None:
            raise self._error
        return self._sent

    def _run(self) -> None:
        try:
            if is_archive(self._read(0, _MAGIC_SIZE)):
                self._sent = self._publication.send(
                    self._name,
                    self._blocks(),
                    size=self._temp_file.expected_size or self._max_bytes,
                    content_type=self._content_type,
                    # The thread that downloads logs the progress.
                    on_wait=noop,
                )
        except BaseException as error:  # noqa: BLE001 - finish raises it, in the thread that waits
            self._error = error

    def _blocks(self) -> Iterator[bytes]:
        while block := self._read(self._offset, _BLOCK):
            self._offset += len(block)
            yield block
        if self._stopped:
            raise _StartedOverError


class _StartedOverError(Exception):
    """What was sent is not the file."""
