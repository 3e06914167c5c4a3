"""What users call: `render`, `save` and `serve`."""

from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, make_server

from spacy.language import Language
from spacy.util import is_in_jupyter

from ..bilm.layers import MIXED
from ..elmo import Elmo
from ..errors import ElmoError, ElmoFileNotFoundError, ElmoImportError, ElmoOSError, Errors, short_repr
from ..pipeline.mixes import LearnedMix, find_mixes, list_mixes
from ..util.atomic import atomic_write
from .figures import LAYERS, check_style, draw_figure, draw_mixes
from .markup import make_fragment, make_page
from .passages import read_passages

Options = Mapping[str, object]
PORT = 8000


def render(
    docs: object,
    style: str = "neighbours",
    *,
    page: bool = False,
    jupyter: bool | None = None,
    options: Options | None = None,
) -> str | None:
    """Draw vectors as HTML, and show it if this is a Jupyter notebook.

    docs (object): A Doc, a Span, a `TextOutputs` of `Elmo.embed_texts`, or several of them. For the style "layers"
        a pipeline, an `Elmo`, several of them, or a dict of them by the names to show.
    style (str): "neighbours", "similarity" (one or two texts), "map", "layers" or "drift".
    page (bool): Make a whole page, not a part of one.
    jupyter (bool | None): Show it in the notebook; None: if there is one.
    options (Mapping[str, object] | None): `layer` to show first and `max_tokens` to show at most; for "neighbours"
        `token`, `k` and `same_sentence`; for "map" `word` and `labels`; for "drift" `measure`.
    RETURNS (str | None): HTML that needs no other file and no network; None in a notebook, where it is shown.
    RAISES (ElmoError): If there is no such style or option, or `docs` cannot be drawn in this style.
    RAISES (ImportError): If it is to be shown in a notebook, and IPython is not installed.
    """
    html = _make_html(docs, style, options, page=page)
    if jupyter or (jupyter is None and is_in_jupyter()):
        try:
            from IPython.display import HTML, display
        except ImportError as error:
            raise ElmoImportError(Errors.EL316) from error
        display(HTML(html))
        return None
    return html


def save(docs: object, path: str | Path, style: str = "neighbours", *, options: Options | None = None) -> None:
    """Write a picture to an HTML file.

    docs (object): See `render`.
    path (str | Path): The file, which is replaced if it exists; .html or .htm.
    style (str): See `render`.
    options (Mapping[str, object] | None): See `render`.
    RAISES (ElmoError): As `render`, and if the file has another ending.
    RAISES (FileNotFoundError): If its folder does not exist.
    RAISES (OSError): If it cannot be written.
    """
    path = Path(path)
    if path.suffix.lower() not in (".html", ".htm"):
        raise ElmoError(Errors.EL314.format(path=path, suffix=path.suffix))
    if not path.parent.is_dir():
        raise ElmoFileNotFoundError(Errors.EL064.format(path=path))
    html = _make_html(docs, style, options, page=True)
    with atomic_write(path) as temporary:
        temporary.write_text(html, "utf-8")


def serve(
    docs: object,
    style: str = "neighbours",
    *,
    options: Options | None = None,
    port: int = PORT,
    host: str = "127.0.0.1",
) -> None:
    """Show a picture in the browser, until Ctrl-C.

    docs (object): See `render`.
    style (str): See `render`.
    options (Mapping[str, object] | None): See `render`.
    port (int): The port; 0: a free one.
    host (str): The address to listen at; the default is this computer alone.
    RAISES (ElmoError): As `render`.
    RAISES (OSError): If the port cannot be used.
    """
    body = _make_html(docs, style, options, page=True).encode("utf-8")
    try:
        server = make_server(host, port, _Answer(body), handler_class=_QuietHandler)
    except (OSError, OverflowError) as error:
        raise ElmoOSError(Errors.EL315.format(port=port, host=host, reason=error)) from error
    with server:
        print(f"Serving the style '{style}' at http://{host}:{server.server_port}, until Ctrl-C")
        with suppress(KeyboardInterrupt):
            server.serve_forever()


class _Answer:
    """A WSGI application with a single page.

    body (bytes): The page.
    """

    def __init__(self, body: bytes):
        self._body = body

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., object]) -> list[bytes]:
        if environ["PATH_INFO"] != "/":
            start_response("404 Not Found", [("Content-Type", "text/plain; charset=utf-8")])
            return [b"The picture is at /\n"]
        start_response("200 OK", [("Content-Type", "text/html; charset=utf-8")])
        return [self._body]


class _QuietHandler(WSGIRequestHandler):
    """Prints no line for each request."""

    def log_message(self, format: str, *arguments: object) -> None:
        pass


def _make_html(docs: object, style: str, options: Options | None, *, page: bool) -> str:
    if check_style(style) == LAYERS:
        figure = draw_mixes(_read_mixes(docs), options)
    else:
        labels = options.get("labels") if isinstance(options, Mapping) else None
        figure = draw_figure(
            read_passages(docs, groups=labels if isinstance(labels, str) else None), style, options
        )
    return make_page(figure, title=f"ELMo: {style}") if page else make_fragment(figure)


def _read_mixes(given: object) -> list[LearnedMix]:
    """Read mixes of pipelines and models."""
    if isinstance(given, Mapping):
        named = [(str(name), one) for name, one in given.items()]
    else:
        several = given if isinstance(given, (list, tuple)) else [given]
        named = [("", one) for one in several]
    mixes = [mix for name, one in named for mix in _list_mixes(one, name)]
    if not mixes:
        raise ElmoError(Errors.EL339.format(got=short_repr(given)))
    return mixes


def _list_mixes(one: object, name: str) -> list[LearnedMix]:
    if isinstance(one, LearnedMix):
        return [one]
    if isinstance(one, Elmo):
        return list_mixes(one, name=name or MIXED)
    found = find_mixes(one) if isinstance(one, Language) else []
    if not found:
        raise ElmoError(Errors.EL339.format(got=short_repr(one)))
    return [mix._replace(name=f"{name}/{mix.name}") for mix in found] if name else found
