"""Everything that can go wrong with MaestroQA, as one tree.

::

    MaestroQAError
    ├── MaestroQAConfigError           an argument or the connection is wrong; nothing was sent
    ├── MaestroQADataError             a file or a record is bad
    ├── MaestroQAConnectionError       no answer came
    ├── MaestroQAAPIError              MaestroQA answered, and the answer is no success
    │   ├── MaestroQAAuthError         401  the token is wrong or expired
    │   ├── MaestroQAPermissionError   403  the token may not do this
    │   ├── MaestroQANotFoundError     404  there is no such thing
    │   ├── MaestroQAConflictError     409  a value that must be unique is taken
    │   ├── MaestroQAValidationError   400, 422 and every other 4xx
    │   ├── MaestroQARateLimitError    429  over the token's budget
    │   └── MaestroQAServerError       5xx, or a body that is no JSON
    ├── MaestroQAOutcomeUnknownError   a write may or may not have happened
    ├── MaestroQAExportFailedError     MaestroQA gave up on an export
    └── MaestroQAExportTimeoutError    an export was not complete in time

Every error knows whether a later try of the task could succeed: ``worth_retry``. No message holds the token or a
presigned URL.
"""

from __future__ import annotations

from typing import Any, ClassVar

#: The statuses that a later try of the same request may cure, wherever they come from: MaestroQA, its storage or a
#: proxy. 408 and 425 say that the request came too late or too early, 421 that it reached the wrong server, 423 that
#: something is locked for now, 429 that the rate limit is exceeded. Some proxies go beyond 599.
TRANSIENT_STATUSES = frozenset({408, 421, 423, 425, 429, *range(500, 1000)})


class MaestroQAError(Exception):
    """The root of all errors of this package.

    :param message: what was asked, what came back, and what the user can do.
    :param worth_retry: overrides the class's answer to "could a later try of the task succeed?".
    """

    default_worth_retry: ClassVar[bool] = False

    def __init__(self, message: str, *, worth_retry: bool | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.worth_retry = self.default_worth_retry if worth_retry is None else worth_retry


class MaestroQAConfigError(MaestroQAError):
    """An argument or the connection is wrong. Nothing was sent."""


class MaestroQADataError(MaestroQAError):
    """A file or a record is bad."""


class MaestroQAConnectionError(MaestroQAError):
    """No answer came from MaestroQA or from its storage.

    :param sent: whether the request may have reached the server. ``False`` means that it surely did not.
    """

    default_worth_retry = True

    def __init__(self, message: str, *, sent: bool = True, worth_retry: bool | None = None) -> None:
        super().__init__(message, worth_retry=worth_retry)
        self.sent = sent


class MaestroQAAPIError(MaestroQAError):
    """MaestroQA answered, and the answer is no success.

    :param status: the HTTP status.
    :param method: the HTTP method that was used.
    :param path: the path that was asked for, without host and query.
    :param message: what MaestroQA said and what the user can do.
    :param explained: whether MaestroQA itself said why. An answer without a word of explanation may come from
        something between here and MaestroQA.
    """

    def __init__(self, status: int, method: str, path: str, message: str, *, explained: bool = False) -> None:
        super().__init__(message)
        self.status = status
        self.method = method
        self.path = path
        self.explained = explained
        #: Whether the answer to an earlier try of the same request was lost, so that this may be its echo: a
        #: conflict with what was just created, or something that is not there because it was just deleted.
        self.after_ambiguous_failure = False

    def __str__(self) -> str:
        return f"{self.method} {self.path} answered {self.status}: {self.message}"

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
    """400, 422 and other 4xx: MaestroQA refused the values that were sent."""


class MaestroQARateLimitError(MaestroQAAPIError):
    """429: the token's request budget was used up until the caller's deadline.

    :param retry_after: seconds that MaestroQA asked to wait, where it said so.
    """

    default_worth_retry = True

    def __init__(
        self, status: int, method: str, path: str, message: str, *, retry_after: float | None = None
    ) -> None:
        super().__init__(status, method, path, message)
        self.retry_after = retry_after


class MaestroQAServerError(MaestroQAAPIError):
    """5xx, or a body that is no JSON: it is not known whether the request was carried out."""

    default_worth_retry = True


class MaestroQAOutcomeUnknownError(MaestroQAError):
    """A write that is not safe to send twice may or may not have happened."""


class MaestroQAExportFailedError(MaestroQAError):
    """MaestroQA gave up on an export."""


class MaestroQAExportTimeoutError(MaestroQAError):
    """An export was not complete before the deadline. It goes on at MaestroQA."""

    default_worth_retry = True
