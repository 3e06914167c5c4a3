"""Errors as answers: a status, and JSON with a code and a message."""

import logging
from collections.abc import Mapping

import orjson
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ..errors import ElmoError, Errors
from .connections import abort

logger = logging.getLogger(__name__)

UNPROCESSABLE = 422


class RequestError(ElmoError):
    """A request that is refused.

    status (int): The status of the answer.
    headers (dict[str, str]): Headers of the answer.
    """

    def __init__(self, message: str, *, status: int = UNPROCESSABLE, headers: Mapping[str, str] | None = None):
        super().__init__(message)
        self.status = status
        self.headers = dict(headers or {})


def make_error_response(status: int, message: str, headers: Mapping[str, str] | None = None) -> Response:
    """Make the answer to a request that is refused.

    status (int): Its status.
    message (str): A message of the table, with its code.
    headers (Mapping[str, str] | None): More headers.
    RETURNS (Response): The answer.
    """
    code = ElmoError(message).code
    # A message may quote what was sent, and UTF-8 has no surrogates.
    text = message.removeprefix(f"[{code}] ").encode("utf-8", "backslashreplace").decode("utf-8")
    body = orjson.dumps({"error": {"code": code, "message": text}})
    return Response(body, status, headers=headers, media_type="application/json")


async def answer_http_error(request: Request, error: Exception) -> Response:
    """Answer a request for no path or by no method that there is.

    request (Request): The request.
    error (Exception): What Starlette raised.
    RETURNS (Response): The answer.
    """
    assert isinstance(error, HTTPException)
    headers = error.headers or {}
    if error.status_code == 404:
        return make_error_response(404, Errors.EL350.format(path=request.url.path), headers)
    allowed = headers.get("Allow", "")
    message = Errors.EL351.format(got=request.method, path=request.url.path, allowed=allowed)
    return make_error_response(error.status_code, message, headers)


async def answer_coded_error(request: Request, error: Exception) -> Response:
    """Answer a request that is refused.

    request (Request): The request.
    error (Exception): An error with a code.
    RETURNS (Response): The answer.
    """
    if isinstance(error, RequestError):
        return make_error_response(error.status, str(error), error.headers)
    return make_error_response(UNPROCESSABLE, str(error))


class UnexpectedErrors:
    """ASGI middleware that answers what is no user's mistake: the error is logged, and not shown.

    app (ASGIApp): The application.
    """

    def __init__(self, app: ASGIApp):
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        is_started = False

        async def note_start(message: Message) -> None:
            nonlocal is_started
            is_started = True
            await send(message)

        try:
            await self.app(scope, receive, note_start)
        except Exception as error:
            logger.error("%s %s failed", scope["method"], scope["path"], exc_info=error)
            if is_started:
                # The client gets less than was announced, and notices it.
                abort(scope)
            else:
                await make_error_response(500, Errors.EL352)(scope, receive, send)
