"""Everything that can go wrong with MaestroQA, as one tree.

::

    MaestroQAError
    ├── MaestroQAConfigError           an argument or the connection is wrong; nothing was sent
    ├── MaestroQADataError             a file or a record is bad
    ├── MaestroQAConnectionError       no response came
    ├── MaestroQAAPIError              MaestroQA's response is not a success
    │   ├── MaestroQAAuthError         401  the token is wrong or expired
    │   ├── MaestroQAPermissionError   403  the token may not do this
    │   ├── MaestroQANotFoundError     404  there is no such thing
    │   ├── MaestroQAConflictError     409  a value that must be unique is taken
    │   ├── MaestroQAValidationError   400, 422 and every other 4xx
    │   ├── MaestroQARateLimitError    429  the token's rate limit is exceeded
    │   │   └── MaestroQABudgetExhaustedError   no request was sent: the budget had no slot in time
    │   └── MaestroQAServerError       5xx, 408, 421, 423, 425, or a body that is not JSON
    ├── MaestroQAOutcomeUnknownError   a write may or may not have happened
    ├── MaestroQAExportFailedError     MaestroQA gave up on an export
    ├── MaestroQAExportTimeoutError    an export was not complete in time
    ├── MaestroQADeletionFailedError   MaestroQA gave up on a deletion of customers' data, or does not know it
    └── MaestroQADeletionTimeoutError  a deletion was not completed in time

Every error knows whether a retry of the task could succeed: ``retryable``. No message holds the token or a
presigned URL.
"""

from __future__ import annotations

import warnings
from typing import Any, ClassVar

#: The statuses that a later try of the same request may cure, wherever they come from: MaestroQA, its storage or a
#: proxy. 408 and 425 say that the request came too late or too early, 421 that it reached the wrong server, 423 that
#: something is locked for now, 429 that the rate limit is exceeded. Some proxies go beyond 599.
TRANSIENT_STATUSES = frozenset({408, 421, 423, 425, 429, *range(500, 1000)})
#: Of these, the statuses that promise that the request was not carried out, so that any request may be sent again:
#: RFC 9110 says so of 421, RFC 8470 of 425, and MaestroQA of 429. By its definition a 408 does as well, but gateways
#: also send it when the server behind them is slow. A 423 may be about one of many records in a batch.
NOT_CARRIED_OUT_STATUSES = frozenset({421, 425, 429})


class MaestroQAError(Exception):
    """The root of all errors of this package.

    :param message: what was asked, what came back, and what the user can do.
    :param retryable: whether a retry of the task could succeed; the default is the class's own.
    :param worth_retry: the old name of ``retryable``, deprecated.
    """

    default_retryable: ClassVar[bool] = False

    def __init__(self, message: str, *, retryable: bool | None = None, worth_retry: bool | None = None) -> None:
        super().__init__(message)
        self.message = message
        if worth_retry is not None:
            _warn_of_old_name()
            retryable = worth_retry
        #: Whether a retry of the task could succeed.
        self.retryable = self.default_retryable if retryable is None else retryable

    @property
    def worth_retry(self) -> bool:
        """The old name of ``retryable``, deprecated."""
        _warn_of_old_name()
        return self.retryable

    @worth_retry.setter
    def worth_retry(self, value: bool) -> None:
        _warn_of_old_name()
        self.retryable = value


def _warn_of_old_name() -> None:
    warnings.warn("worth_retry is now called retryable.", DeprecationWarning, stacklevel=3)


class MaestroQAConfigError(MaestroQAError):
    """An argument or the connection is wrong. Nothing was sent."""


class MaestroQADataError(MaestroQAError):
    """A file or a record is bad."""


class MaestroQAConnectionError(MaestroQAError):
    """No response came from MaestroQA or from its storage.

    :param sent: whether the request may have reached the server. ``False`` means that it surely did not.
    """

    default_retryable = True

    def __init__(
        self, message: str, *, sent: bool = True, retryable: bool | None = None, worth_retry: bool | None = None
    ) -> None:
        super().__init__(message, retryable=retryable, worth_retry=worth_retry)
        self.sent = sent


class MaestroQAAPIError(MaestroQAError):
    """MaestroQA's response is not a success.

    :param status: the HTTP status; ``None`` for a request that was not sent.
    :param method: the HTTP method of the request.
    :param path: the path of the request, without host and query.
    :param message: the server's message, and what the user can do.
    :param explained: whether MaestroQA itself gave a reason. A response without a message may come from
        something between here and MaestroQA.
    """

    def __init__(self, status: int | None, method: str, path: str, message: str, *, explained: bool = False) -> None:
        super().__init__(message)
        self.status = status
        self.method = method
        self.path = path
        self.explained = explained
        #: Whether the response to an earlier try of the same request was lost, so that this error may be its echo: a
        #: conflict with what was just created, or something that is missing because it was just deleted.
        self.after_ambiguous_failure = False

    def __str__(self) -> str:
        outcome = "was not sent" if self.status is None else f"answered {self.status}"
        return f"{self.method} {self.path} {outcome}: {self.message}"

    def __reduce__(self) -> tuple[Any, ...]:
        # Python would make the copy that goes to another process of the message alone.
        return type(self), (self.status, self.method, self.path, self.message), vars(self)


class MaestroQAAuthError(MaestroQAAPIError):
    """401: the token is wrong, expired or deactivated."""


class MaestroQAPermissionError(MaestroQAAPIError):
    """403: the token may not do this."""


class MaestroQANotFoundError(MaestroQAAPIError):
    """404: there is no such thing at MaestroQA."""


class MaestroQAConflictError(MaestroQAAPIError):
    """409: a value that must be unique is taken."""


class MaestroQAValidationError(MaestroQAAPIError):
    """400, 422 and other 4xx: MaestroQA rejected the values that were sent."""


class MaestroQARateLimitError(MaestroQAAPIError):
    """429: the token's rate limit was exceeded until the request's deadline.

    :param retry_after: seconds to wait, as far as they are known.
    """

    default_retryable = True

    def __init__(
        self, status: int | None, method: str, path: str, message: str, *, retry_after: float | None = None
    ) -> None:
        super().__init__(status, method, path, message)
        self.retry_after = retry_after


class MaestroQABudgetExhaustedError(MaestroQARateLimitError):
    """No request was sent: the token's request budget had no free slot before the request's deadline.

    ``status`` is ``None``; ``retry_after`` has the seconds until the next free slot.
    """


class MaestroQAServerError(MaestroQAAPIError):
    """5xx, 408, 421, 423, 425, or a body that is not JSON.

    After a 421 or a 425 the request was certainly not carried out; after all others that is not known.
    """

    default_retryable = True


class MaestroQAOutcomeUnknownError(MaestroQAError):
    """A write that is not safe to send twice may or may not have happened.

    It is retryable where sending it twice does no harm, as for the request of an export.
    """


class MaestroQAExportFailedError(MaestroQAError):
    """MaestroQA gave up on an export."""


class MaestroQAExportTimeoutError(MaestroQAError):
    """An export was not complete before the deadline. It goes on at MaestroQA."""

    default_retryable = True


class MaestroQADeletionFailedError(MaestroQAError):
    """MaestroQA gave up on a deletion of customers' data, or does not know it. A retry requests it again."""

    default_retryable = True


class MaestroQADeletionTimeoutError(MaestroQAError):
    """A deletion of customers' data was not completed before the deadline. It goes on at MaestroQA."""

    default_retryable = True
