"""Pictures, drawn by the optional package matplotlib."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import ElmoError, ElmoFileNotFoundError, ElmoImportError, Errors
from .atomic import atomic_write

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# The formats that are offered.
ENDINGS = (".png", ".svg", ".pdf")


def check_picture(output: Path) -> None:
    """Check that a picture can be written, before any work is done for it.

    output (Path): The file to write.
    RAISES (ElmoError): If its ending is not a format of pictures.
    RAISES (FileNotFoundError): If its folder does not exist.
    RAISES (ImportError): If matplotlib is not installed.
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
    """Draw a picture, which is written when the block ends without an error.

    output (Path): The file to write.
    size (tuple[float, float]): Width and height in inches.
    YIELDS (Figure): The figure to draw in.
    RAISES (ElmoError): As `check_picture`, and its other errors.
    """
    check_picture(output)
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    # Without pyplot, which keeps figures and opens a display.
    figure = Figure(figsize=size, layout="constrained")
    FigureCanvasAgg(figure)
    yield figure
    with atomic_write(output) as temporary:
        figure.savefig(temporary, format=output.suffix[1:].lower(), dpi=120)
