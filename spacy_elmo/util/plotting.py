"""Pictures, which an optional package draws."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import ElmoError, ElmoFileNotFoundError, ElmoImportError, Errors
from .atomic import atomic_write

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# What matplotlib can write and users ask for.
ENDINGS = (".png", ".svg", ".pdf")


def check_picture(output: Path) -> None:
    """RAISES (ElmoError): For an ending that is no picture.
    RAISES (FileNotFoundError): If the file's folder does not exist.
    RAISES (ImportError): Without matplotlib.
    """
    if output.suffix.lower() not in ENDINGS:
        raise ElmoError(Errors.EL060.format(path=output, suffix=output.suffix, allowed=", ".join(ENDINGS)))
    if not output.parent.is_dir():
        raise ElmoFileNotFoundError(Errors.EL064.format(path=output))
    try:
        import matplotlib.figure  # noqa: F401
    except ImportError as error:
        raise ElmoImportError(Errors.EL024.format(path=output, package="matplotlib")) from error


@contextmanager
def picture(output: Path, *, size: tuple[float, float]) -> Iterator["Figure"]:
    """Gives a figure to draw in, which is written when the block ends well. size: in inches, width first.

    RAISES: as `check_picture`.
    """
    check_picture(output)
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    # Not by pyplot, which keeps figures and a display of its own.
    figure = Figure(figsize=size, layout="constrained")
    FigureCanvasAgg(figure)
    yield figure
    with atomic_write(output) as temporary:
        figure.savefig(temporary, format=output.suffix[1:].lower(), dpi=120)
