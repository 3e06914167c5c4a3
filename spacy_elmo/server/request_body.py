"""The body of a request: read within bounds, and strict JSON."""

import json
from collections.abc import Sequence
from typing import Any

import anyio
from starlette.datastructures import Headers
from starlette.requests import Request

from ..errors import Errors, ReasonError, short_repr
from .limits import Limits
from .refusals import RequestError

EXAMPLE = '{"text": "I love NLP."}'
_MEDIA_TYPE = "application/json"
Fields = dict[str, Any]


async def read_body(request: Request, limits: Limits) -> bytes:
    """Read a body.

    request (Request): The request.
    limits (Limits): How long it may be, and take.
    RETURNS (bytes): The body.
    RAISES (RequestError): If it is not JSON by its type, is too long, or does not arrive in time.
    RAISES (ClientDisconnect): If the client is gone.
    """
    _check_type(request.headers)
    # The parser of HTTP admits digits alone; a start of so many is long enough.
    announced = int(request.headers.get("content-length", "0")[:18])
    if announced > limits.max_body_bytes:
        raise _refuse_length(f"{announced:,} bytes", limits)
    body = bytearray()
    with anyio.move_on_after(limits.body_seconds):
        async for chunk in request.stream():
            body += chunk
            if len(body) > limits.max_body_bytes:
                raise _refuse_length(f"more than {limits.max_body_bytes:,} bytes", limits)
        return bytes(body)
    # The rest, should it arrive, is no new request.
    message = Errors.EL349.format(seconds=f"{limits.body_seconds:g}")
    raise RequestError(message, status=408, headers={"Connection": "close"})


def parse_fields(body: bytes, *, allowed: Sequence[str]) -> Fields:
    """Parse a JSON object.

    body (bytes): The body.
    allowed (Sequence[str]): The fields that it may have.
    RETURNS (Fields): Its fields.
    RAISES (RequestError): If it is no JSON in UTF-8, has a key twice or NaN, is no object, or has other fields.
    """
    try:
        if not body:
            raise ReasonError("it is empty")
        fields = json.loads(body.decode("utf-8"), object_pairs_hook=_make_object, parse_constant=_refuse_constant)
    except UnicodeDecodeError as error:
        raise _refuse_json(f"byte {error.start} is not UTF-8") from None
    except RecursionError:
        raise _refuse_json("it is nested too deeply") from None
    except (ReasonError, ValueError) as error:
        raise _refuse_json(str(error)) from None
    if not isinstance(fields, dict):
        raise _refuse_json(f"it is {short_repr(fields)}, not an object")
    for field in fields:
        if field not in allowed:
            message = Errors.EL343.format(field=short_repr(field), allowed=", ".join(allowed))
            raise RequestError(message)
    return fields


def refuse_value(field: str, value: object, allowed: str) -> RequestError:
    """Make the error for a value of a wrong type.

    field (str): The field.
    value (object): Its value.
    allowed (str): What it may be.
    RETURNS (RequestError): The error.
    """
    shown = "null" if value is None else str(value).lower() if isinstance(value, bool) else short_repr(value)
    return RequestError(Errors.EL345.format(field=field, got=shown, allowed=allowed))


def check_amount(number: int, what: str, limits: Limits) -> None:
    """Check how many tokens or sentences a request has.

    number (int): How many.
    what (str): "tokens" or "sentences".
    limits (Limits): How many are allowed.
    RAISES (RequestError): If they are too many.
    """
    if number > limits.max_tokens:
        message = Errors.EL340.format(got=f"{number:,} {what}", limit=f"{limits.max_tokens:,}")
        raise RequestError(message, status=413)


def _check_type(headers: Headers) -> None:
    given = headers.get("content-type", "")
    media_type, *parameters = (part.strip().lower() for part in given.split(";"))
    charsets = {value.strip('"') for name, _, value in (p.partition("=") for p in parameters) if name == "charset"}
    encoding = headers.get("content-encoding", "identity").lower()
    if media_type != _MEDIA_TYPE or charsets - {"utf-8", "utf8"} or encoding != "identity":
        shown = short_repr(given) + ("" if encoding == "identity" else f", encoded as {short_repr(encoding)}")
        raise RequestError(Errors.EL342.format(got=shown), status=415, headers={"Accept": _MEDIA_TYPE})


def _make_object(pairs: list[tuple[str, Any]]) -> Fields:
    fields = dict(pairs)
    if len(fields) < len(pairs):
        seen: set[str] = set()
        twice = next(key for key, _ in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value]
        raise ReasonError(f"the key {short_repr(twice)} occurs twice")
    return fields


def _refuse_constant(name: str) -> None:
    raise ReasonError(f"{name} is no number of JSON")


def _refuse_json(reason: str) -> RequestError:
    return RequestError(Errors.EL341.format(reason=reason, example=EXAMPLE), status=400)


def _refuse_length(got: str, limits: Limits) -> RequestError:
    return RequestError(Errors.EL340.format(got=got, limit=f"{limits.max_body_bytes:,}"), status=413)
