"""The one base of all errors that reach a client, each with a stable code."""

from typing import ClassVar


class RtaiError(Exception):
    """An error with a code that clients may rely on.

    `retryable` says whether the same request may succeed later;
    `retry_after_ms`, where known, says when.
    """

    code: ClassVar[str] = "internal"
    retryable: ClassVar[bool] = False

    def __init__(self, detail: str, *, retry_after_ms: int | None = None) -> None:
        super().__init__(detail)
        self.detail = detail
        self.retry_after_ms = retry_after_ms


class BadFrame(RtaiError):
    """The frame or request is not what was expected."""

    code = "bad_frame"


class UnknownType(RtaiError):
    """The frame's type is not one of the protocol's."""

    code = "unknown_type"


class TooLarge(RtaiError):
    """The frame, text or file is over its limit."""

    code = "too_large"


class Unauthorized(RtaiError):
    """The token or key is missing or not valid."""

    code = "unauthorized"


class Forbidden(RtaiError):
    """Known, but not allowed to do this."""

    code = "forbidden"


class NotFound(RtaiError):
    """What was named does not exist."""

    code = "not_found"


class RateLimited(RtaiError):
    """The client is too fast."""

    code = "rate_limited"
    retryable = True


class Overloaded(RtaiError):
    """We are full, or a service we need is away."""

    code = "overloaded"
    retryable = True


class DeadlineExceeded(RtaiError):
    """The answer did not come in time."""

    code = "deadline_exceeded"
    retryable = True


class ModelUnavailable(RtaiError):
    """No model can judge this now."""

    code = "model_unavailable"
    retryable = True


class BadModel(ModelUnavailable):
    """A model version that cannot be used as it is: files, checksums, labels or graph."""

    retryable = False


class Unsupported(RtaiError):
    """A feature of the protocol that this installation does not offer."""

    code = "unsupported"
