"""The error that a request ends with, as gRPC and REST tell it."""

HTTP_STATUS = {
    "INVALID_ARGUMENT": 400,
    "FAILED_PRECONDITION": 400,
    "OUT_OF_RANGE": 400,
    "UNAUTHENTICATED": 401,
    "PERMISSION_DENIED": 403,
    "NOT_FOUND": 404,
    "ALREADY_EXISTS": 409,
    "ABORTED": 409,
    "RESOURCE_EXHAUSTED": 429,
    "CANCELLED": 499,
    "UNKNOWN": 500,
    "INTERNAL": 500,
    "DATA_LOSS": 500,
    "UNIMPLEMENTED": 501,
    "UNAVAILABLE": 503,
    "DEADLINE_EXCEEDED": 504,
}
"""Name of a gRPC status -> the status that TensorFlow Serving's REST API gives it."""

MOST_CHARACTERS = 1024
"""Of a message: TensorFlow Serving cuts there."""


class RequestError(Exception):
    """What a request ends with instead of an answer.

    Attributes:
        code: name of a gRPC status, a key of `HTTP_STATUS`.
        message: one sentence.

    >>> RequestError("NOT_FOUND", "Servable not found for request: Latest(fox)").http_status
    404
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message[:MOST_CHARACTERS]

    @property
    def http_status(self) -> int:
        """The status of the REST reply."""
        return HTTP_STATUS[self.code]
