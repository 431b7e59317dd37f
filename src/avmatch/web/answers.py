"""Answers in JSON, and errors as answers: what goes wrong has a code, and a message that says what to do."""

from collections.abc import Mapping

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from avmatch.core.errors import AvmatchError, MediaError, MissingExtraError, UsageError, bug_message
from avmatch.core.files import strict_json
from avmatch.data.decision_store import NotKeptError
from avmatch.pipelines.review import NotListedError, on_disk
from avmatch.pipelines.shelf import BusyError, NotReadyError

#: Decisions are small.
MOST_BODY_BYTES = 64 << 10
#: Errors that say all there is to say.
_ERRORS: tuple[tuple[type[Exception], int, str], ...] = (
    (NotKeptError, 507, "not_kept"),
    (BusyError, 429, "busy"),
    (NotListedError, 404, "not_found"),
    (MissingExtraError, 501, "missing_extra"),
    (UsageError, 400, "bad_request"),
)


class Refused(Exception):
    """A request that can't be answered as it is.

    Args:
        status: of HTTP.
        code: of docs/review.md.
        message: for a person.
        more: what else the answer holds.
    """

    def __init__(self, status: int, code: str, message: str, **more: object) -> None:
        super().__init__(message)
        self.status, self.code, self.message, self.more = status, code, message, more


class StrictJSON(JSONResponse):
    """JSON without NaN; bytes of names that are no UTF-8 are replaced."""

    def render(self, content: object) -> bytes:
        """The body."""
        return strict_json(content).encode("utf-8", "replace")


def failed(status: int, code: str, message: str, **more: object) -> Response:
    """An error as an answer."""
    headers = {"retry-after": "1"} if status in (429, 503) else None
    return StrictJSON({"error": {"code": code, "message": message}, **more}, status, headers)


async def on_refused(_: Request, error: Exception) -> Response:
    """An error that we raised on purpose."""
    if isinstance(error, Refused):
        return failed(error.status, error.code, error.message, **error.more)
    if isinstance(error, NotReadyError):
        return StrictJSON(
            {"error": {"code": "not_ready", "message": str(error), "share": error.share}}, 503, {"retry-after": "1"}
        )
    if isinstance(error, MediaError):
        if not on_disk(error.path).exists():
            return failed(410, "vanished", str(error))
        return failed(422, "unusable", str(error))
    if isinstance(error, FileNotFoundError):
        return failed(410, "vanished", f"{error.filename}: is not there any more; put it back")
    for kind, status, code in _ERRORS:
        if isinstance(error, kind):
            return failed(status, code, str(error))
    return failed(500, "bug", str(error) if isinstance(error, AvmatchError) else bug_message(error))


async def on_status(_: Request, error: Exception) -> Response:
    """What the framework says of a request that no route fits."""
    status = getattr(error, "status_code", 500)
    code, message = {
        404: ("not_found", "there is nothing at this address"),
        405: ("method", "this address is asked in another way"),
    }.get(status, ("bad_request", str(getattr(error, "detail", error))))
    return failed(status, code, message)


async def body_of(request: Request) -> Mapping[str, object]:
    """The JSON object in a request. Raises Refused."""
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
        raise Refused(415, "not_json", "the body must be application/json")
    content = bytearray()
    async for chunk in request.stream():
        content += chunk
        if len(content) > MOST_BODY_BYTES:
            raise Refused(413, "too_large", f"the body may have {MOST_BODY_BYTES} bytes")
    import json

    try:
        found = json.loads(bytes(content))
    except (ValueError, RecursionError) as error:
        raise Refused(400, "bad_request", f"the body is no JSON ({error})") from error
    if not isinstance(found, dict):
        raise Refused(400, "bad_request", "the body must be a JSON object")
    return found


def text_in(body: Mapping[str, object], name: str) -> str | None:
    """A text in a body; None where it is missing. Raises Refused."""
    value = body.get(name)
    if value is not None and not isinstance(value, str):
        raise Refused(400, "bad_request", f"{name} must be text")
    return value


def number(request: Request, name: str, default: int, most: int) -> int:
    """A whole number of the query. Raises Refused."""
    text = request.query_params.get(name, str(default))
    if not (text.isascii() and text.isdigit() and len(text) < 10 and int(text) <= most):
        raise Refused(400, "bad_request", f"{name} must be a whole number up to {most}, got {text[:20]!r}")
    return int(text)


def seconds(request: Request, name: str, default: float | None = None) -> float:
    """A number of seconds of the query. Raises Refused."""
    text = request.query_params.get(name)
    if text is None and default is not None:
        return default
    try:
        found = float(text or "")
    except ValueError:
        found = float("nan")
    if not -1e6 <= found <= 1e6:
        raise Refused(400, "bad_request", f"{name} must be a number of seconds, got {(text or '')[:20]!r}")
    return found
