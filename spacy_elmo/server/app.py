"""The ASGI application: the page, its files, and the API."""

from collections.abc import Collection
from functools import partial
from pathlib import Path

import orjson
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from ..errors import ElmoError
from ..visual.figures import STYLES
from ..visual.markup import read_asset
from .admission import Admission
from .bounded_splitter import BoundedSplitter
from .computed_answers import ComputedAnswer
from .connections import SlowReaders
from .embedding_request import answer_embedding
from .http_guard import KnownHosts, SafeHeaders
from .limits import Limits
from .refusals import UnexpectedErrors, answer_coded_error, answer_http_error
from .served_model import ServedModel
from .unread_bodies import UnreadBodies
from .views import answer_view

ASSETS = Path(__file__).parent / "assets"
_PAGE = "index.html"
_TYPES = {".css": "text/css", ".js": "text/javascript", ".html": "text/html"}
# These files are of pictures, and not in this room.
_PICTURE_FILES = ("visual.css", "visual.js")


def create_app(
    model: ServedModel, *, limits: Limits | None = None, hosts: Collection[str] | None = None
) -> Starlette:
    """Make the application. It is for one event loop.

    model (ServedModel): The model.
    limits (Limits | None): Bounds of requests; None: the default ones.
    hosts (Collection[str] | None): As from `list_hosts`.
    RETURNS (Starlette): The application; `state.admission` admits its requests.
    """
    limits = limits or Limits()
    admission = Admission(limits)
    splitter = BoundedSplitter(model.nlp, limits=limits)
    embed = partial(answer_embedding, model=model, splitter=splitter, limits=limits)
    view = partial(answer_view, model=model, splitter=splitter)
    compute = partial(ComputedAnswer, admission=admission, limits=limits)
    facts = describe_model(model, limits)

    async def get_health(request: Request) -> Response:
        return _json({"status": "ok", "model": model.name})

    async def get_model(request: Request) -> Response:
        return _json(facts)

    app = Starlette(
        routes=[
            Route("/", _get_page),
            Route("/healthz", get_health),
            Route("/assets/{name}", _get_asset),
            Route("/api/model", get_model),
            Route("/api/embed", compute(embed), methods=["POST"]),
            Route("/api/view", compute(view), methods=["POST"]),
        ],
        middleware=[
            Middleware(SlowReaders, limits=limits),
            Middleware(UnreadBodies, limits=limits),
            Middleware(SafeHeaders),
            Middleware(UnexpectedErrors),
            Middleware(KnownHosts, hosts=hosts),
        ],
        exception_handlers={HTTPException: answer_http_error, ElmoError: answer_coded_error},
    )
    # Else every address with a slash too many would be answered by another that the Host header makes up.
    app.router.redirect_slashes = False
    app.state.admission = admission
    return app


def describe_model(model: ServedModel, limits: Limits) -> dict[str, object]:
    """Describe a model for clients.

    model (ServedModel): The model.
    limits (Limits): What a request may have.
    RETURNS (dict[str, object]): JSON data.
    """
    elmo = model.elmo
    return {
        "model": model.name,
        "layers": elmo.layer_names,
        "widths": {name: elmo.width(name) for name in elmo.layer_names},
        "n_layers": elmo.n_layers,
        "lang": str(model.nlp.lang),
        "limits": {"max_tokens": limits.max_tokens, "max_body_bytes": limits.max_body_bytes},
        "styles": list(STYLES),
    }


async def _get_page(request: Request) -> Response:
    return _answer_text(_PAGE, (ASSETS / _PAGE).read_text("utf-8"))


async def _get_asset(request: Request) -> Response:
    name = request.path_params["name"]
    if name in _PICTURE_FILES:
        return _answer_text(name, read_asset(name))
    # From a list of what is there: a name must not lead to another folder.
    files = {path.name: path for path in ASSETS.iterdir() if path.suffix in (".css", ".js")}
    if name not in files:
        raise HTTPException(404)
    return _answer_text(name, files[name].read_text("utf-8"))


def _answer_text(name: str, text: str) -> Response:
    # Asked for again each time: after an update, the page and its script are of one version.
    return Response(text, media_type=_TYPES[Path(name).suffix], headers={"Cache-Control": "no-cache"})


def _json(value: object) -> Response:
    return Response(orjson.dumps(value), media_type="application/json")
