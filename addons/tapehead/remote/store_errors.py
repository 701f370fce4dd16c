"""Errors of stores and of the libraries that reach them, each as an `OSError` with a sentence's part."""

import errno
import re
from collections.abc import Iterator
from ssl import SSLError

from tapehead.remote.urls import ObjectUrl, without_secrets
from tapehead.text import shorten

_CREDENTIALS = {
    "s3": "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE",
    "gs": "set GOOGLE_APPLICATION_CREDENTIALS, or run gcloud auth application-default login",
}
_AUTHORITIES = {"s3": "AWS_CA_BUNDLE", "gs": "SSL_CERT_FILE"}
_NO_ENDPOINT = "its endpoint is not a URL; set AWS_ENDPOINT_URL to one such as https://HOST:9000, or leave it out"
# Codes that S3 and stores like it answer with.
_WRONG_CREDENTIALS = {
    "InvalidAccessKeyId",
    "SignatureDoesNotMatch",
    "InvalidToken",
    "ExpiredToken",
    "TokenRefreshRequired",
}
_NOT_SATISFIABLE, _NOT_IMPLEMENTED = 416, 501
_MOST_SAID = 200
_DENIED, _OVERLOADED = {401, 403}, 429
# Classes of libraries by their names: importing them here would load libraries that are not there.
_UNREACHABLE = re.compile(
    "Connect|Timeout|HTTPClientError|ClientOSError|ServerDisconnected|ClientPayload|IncompleteRead"
)
_NO_CREDENTIALS = re.compile("Credential|TokenRetrieval|SSO|Unauthorized|ProfileNotFound|RefreshError")


def is_not_satisfiable(error: BaseException) -> bool:
    """Return whether a range was asked for that begins at the end of an object, or after it."""
    return any(_status_of(each) == _NOT_SATISFIABLE or _code_of(each) == "InvalidRange" for each in _causes(error))


def is_not_implemented(error: BaseException) -> bool:
    """Return whether a store does not know what it was asked for."""
    return any(_status_of(each) == _NOT_IMPLEMENTED or _code_of(each) == "NotImplemented" for each in _causes(error))


def store_error(error: Exception, url: ObjectUrl) -> OSError:
    """Return the error that says what went wrong with an object, or in its bucket."""
    causes = list(_causes(error))
    codes = {_code_of(each) for each in causes}
    statuses = {_status_of(each) for each in causes}
    names = [type(each).__name__ for each in causes]
    said = next((said for each in causes if (said := str(each))), "") or names[0]
    text = shorten(" ".join(said.split()), _MOST_SAID)
    if isinstance(error, OSError) and (error.filename or (type(error) is OSError and error.errno and codes == {""})):
        return error  # of a file here, or a sentence already
    if any(isinstance(each, ValueError) and str(each).startswith("Invalid endpoint") for each in causes):
        return OSError(errno.EDESTADDRREQ, _NO_ENDPOINT)
    is_missing = isinstance(error, FileNotFoundError)
    if "NoSuchBucket" in codes or "bucket does not exist" in text or (is_missing and not url.key):
        return OSError(errno.ENXIO, f"there is no bucket '{url.bucket}'")
    if any(map(_NO_CREDENTIALS.search, names)) or "Anonymous caller" in text:
        why = "" if "NoCredentialsError" in names else f" ({_reason(text)})"
        return PermissionError(errno.EACCES, f"there are no credentials to be used{why}; {_CREDENTIALS[url.scheme]}")
    if codes & _WRONG_CREDENTIALS:
        return PermissionError(errno.EACCES, f"the credentials are not accepted ({_reason(text)})")
    if isinstance(error, PermissionError) or statuses & _DENIED or text.startswith("Forbidden"):
        return PermissionError(errno.EACCES, f"access is denied ({_reason(text)})")
    if is_missing:
        return FileNotFoundError(errno.ENOENT, "there is no such object")
    if any(map(_UNREACHABLE.search, names)) or isinstance(error, TimeoutError | ConnectionError):
        return _connection_error(causes, url)
    if any(status >= 500 or status == _OVERLOADED for status in statuses) or "SlowDown" in codes:
        return ConnectionError(errno.EAGAIN, f"the store fails ({_reason(text)})")
    return OSError(errno.EIO, f"the store answered with an error: {_reason(text)}")


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    """Yield an error and those that it comes from."""
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _connection_error(causes: list[BaseException], url: ObjectUrl) -> OSError:
    """Return the error of a store that cannot be reached; what waiting does not help is no `ConnectionError`."""
    store = f"the store{_endpoint_of(causes)}"
    # An error of aiohttp is one of TLS without its attributes.
    invalid = next((text for each in causes if (text := getattr(each, "verify_message", ""))), "")
    if invalid:
        hint = f"{_AUTHORITIES[url.scheme]} can name a file with that of its authority"
        return OSError(errno.EPROTO, f"the certificate of {store} is not accepted ({_reason(invalid)}); {hint}")
    reasons = (getattr(each, "reason", None) for each in causes if isinstance(each, SSLError))
    if tls := next(filter(None, reasons), None):
        why = tls.replace("_", " ").lower()
        return ConnectionError(errno.EHOSTUNREACH, f"{store} cannot be reached by TLS ({why})")
    return ConnectionError(errno.EHOSTUNREACH, f"{store} cannot be reached, or does not answer")


def _response_of(error: BaseException) -> dict[str, dict[str, object]]:
    response = getattr(error, "response", None)
    return response if isinstance(response, dict) else {}


def _code_of(error: BaseException) -> str:
    """Return the code that S3 gave; empty for other errors."""
    return str(_response_of(error).get("Error", {}).get("Code", ""))


def _status_of(error: BaseException) -> int:
    """Return the status of the answer; 0 if there was none."""
    answered = _response_of(error).get("ResponseMetadata", {}).get("HTTPStatusCode")
    # An error of aiohttp warns where it is asked for its code.
    status = answered or getattr(error, "status", None) or (hasattr(error, "message") and getattr(error, "code", None))
    return int(str(status)) if str(status).isdecimal() else 0


def _reason(text: str) -> str:
    """Return what a store said, as part of a sentence."""
    return re.sub(r"^An error occurred ", "", text).rstrip(".")


def _endpoint_of(causes: list[BaseException]) -> str:
    """Return the address of the store without a login, if an error has it."""
    for each in causes:
        kwargs = getattr(each, "kwargs", None)
        endpoint = without_secrets(str(kwargs.get("endpoint_url", ""))) if isinstance(kwargs, dict) else ""
        if match := re.match(r"https?://[^/]+", endpoint):
            return f" at '{match[0]}'"
        if host := getattr(each, "host", None):
            return f" at '{host}:{getattr(each, 'port', '')}'"
    return ""
