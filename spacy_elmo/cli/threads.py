"""The option of all commands that compute."""

from typing import Annotated

from typer import Option

THREADS_HELP = "Threads that work on the CPU. Default: as many as there are processors for this process."

NThreads = Annotated[int | None, Option("--n-threads", min=1, metavar="N", help=THREADS_HELP)]
