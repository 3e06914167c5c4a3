"""`spacy-elmo serve`: a page to try a model, and its vectors as JSON over HTTP."""

import os
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, cast

from typer import Option

from ..errors import ElmoError, Errors, check_number, printable
from ..inference.settings import PRECISION_NAMES, PrecisionName
from ..server.limits import MAX_TOKENS
from ..util.atomic import remove_unfinished
from ..weights.catalogue import BUNDLED
from ..weights.source import Source
from .options import NThreads, SourceOption, choices, unpack_source

if TYPE_CHECKING:
    from ..server.http_server import HttpServer
    from ..server.served_model import ServedModel

LOCAL = "127.0.0.1"
PORT = 8_000

PIPELINE_HELP = (
    "Serve the model of a saved pipeline that has an elmo_embedder, with the mixes that it was trained with, "
    "instead of a source."
)
LANG_HELP = "The language whose rules split texts into sentences and tokens. Default: en."
HOST_HELP = (
    "The address to listen on; 0.0.0.0 lets every computer in the network use the model, without any password."
)
PORT_HELP = "The port to listen on; 0 chooses a free one."
MAX_TOKENS_HELP = "The most tokens of a request."


def serve_cli(
    source: SourceOption = None,
    pipeline: Annotated[str | None, Option(metavar="FOLDER", help=PIPELINE_HELP)] = None,
    lang: Annotated[str | None, Option(metavar="LANG", help=LANG_HELP)] = None,
    host: Annotated[str, Option(metavar="ADDRESS", help=HOST_HELP)] = LOCAL,
    port: Annotated[int, Option(min=0, max=65_535, metavar="N", help=PORT_HELP)] = PORT,
    max_tokens: Annotated[int, Option(min=1, metavar="N", help=MAX_TOKENS_HELP)] = MAX_TOKENS,
    precision: Annotated[
        str | None,
        Option(
            help="fp32, the default; or bf16 or int8, which are faster and less exact.", **choices(PRECISION_NAMES)
        ),
    ] = None,
    n_threads: NThreads = None,
) -> None:
    """Serve a page to try a model, and its vectors as JSON at /api/embed.

    Only programs on this computer can use it, unless --host says otherwise. Ctrl-C stops it.
    """
    servers: list[HttpServer] = []
    serve(
        unpack_source(source) if source else None,
        pipeline=pipeline,
        lang=lang,
        host=host,
        port=port,
        max_tokens=max_tokens,
        precision=precision,
        n_threads=n_threads,
        show=lambda line: print(f"spacy-elmo: {printable(line)}", file=sys.stderr, flush=True),
        control=servers.append,
    )
    if any(server.admission.n_computed for server in servers):
        # Nobody waits for this any more, but Python would, and a thread cannot be cancelled.
        remove_unfinished()
        os._exit(0)


def serve(
    source: Source | None = None,
    *,
    pipeline: str | None = None,
    lang: str | None = None,
    host: str = LOCAL,
    port: int = PORT,
    max_tokens: int = MAX_TOKENS,
    precision: str | None = None,
    n_threads: int | None = None,
    show: Callable[[str], None] = lambda line: None,
    control: "Callable[[HttpServer], None]" = lambda server: None,
) -> None:
    """Serve a model over HTTP until Ctrl-C or SIGTERM.

    source (Source | None): The model, as for `spacy_elmo.load`; None: the bundled one.
    pipeline (str | None): A saved pipeline instead, whose elmo_embedder is served.
    lang (str | None): The language of texts; None: English, or that of the pipeline.
    host (str): The address to listen on.
    port (int): The port; 0: any that is free.
    max_tokens (int): The most tokens of a request.
    precision (str | None): As for `spacy_elmo.load`; None: "fp32", or that of the pipeline.
    n_threads (int | None): As for `spacy_elmo.load`.
    show (Callable[[str], None]): Called with lines for the user.
    control (Callable[[HttpServer], None]): Called with the server before it starts; its `stop` stops it.
    RAISES (FileNotFoundError, ElmoError): If a setting is wrong, or there is no such model.
    RAISES (ElmoOSError): If the port is taken, or the host is no address of this computer.
    RAISES (ElmoImportError): If the extra "server" is not installed.
    """
    _check_settings(source=source, lang=lang, precision=precision, n_threads=n_threads, pipeline=pipeline)
    check_number("max_tokens", max_tokens, low=1)
    from ..server import check_packages

    check_packages()
    from ..server.app import create_app
    from ..server.http_guard import is_loopback, list_hosts
    from ..server.http_server import HttpServer, open_socket, show_address
    from ..server.limits import Limits

    # First, so that a taken port is not reported after a large model was loaded.
    listener = open_socket(host, port)
    try:
        address = show_address(listener, host)
        model = _load(source, pipeline=pipeline, lang=lang, precision=precision, n_threads=n_threads)
        # The first sentence takes longer than others; and if it cannot be embedded, no request can.
        model.elmo.embed([["spacy-elmo", "serve"]])
        limits = Limits(max_tokens=max_tokens)
        app = create_app(model, limits=limits, hosts=list_hosts(host))
        server = HttpServer(
            app, limits=limits, report_start=lambda: show(f"serving {model.name} at {address} (Ctrl-C stops it)")
        )
        if not is_loopback(host):
            show(f"warning: listening on {host}: others who reach this computer can use the model, unasked")
        control(server)
        with server.handle_signals():
            server.run_on(listener)
    finally:
        listener.close()
    show("Stopped")


def _check_settings(*, pipeline: str | None, **others: object) -> None:
    if pipeline is None:
        return
    for name, value in others.items():
        if value is not None:
            raise ElmoError(Errors.EL065.format(one=name.replace("_", "-"), other="pipeline"))


def _load(
    source: Source | None, *, pipeline: str | None, lang: str | None, precision: str | None, n_threads: int | None
) -> "ServedModel":
    from ..elmo import load
    from ..server.served_model import serve_elmo, serve_pipeline
    from ..splitter import make_splitter

    if pipeline is not None:
        return serve_pipeline(pipeline)
    chosen: Source = BUNDLED if source is None else source
    nlp = make_splitter(lang or "en")
    elmo = load(chosen, precision=cast(PrecisionName, precision or "fp32"), n_threads=n_threads)
    return serve_elmo(elmo, source=chosen, nlp=nlp)
