"""A model over HTTP, for programs and for a page in the browser: Starlette's application and uvicorn around it."""

from importlib.util import find_spec

from ..errors import ElmoImportError, Errors

PACKAGES = ("starlette", "uvicorn", "orjson")


def check_packages() -> None:
    """Check that the packages of the extra "server" are installed.

    RAISES (ElmoImportError): If one is not.
    """
    for package in PACKAGES:
        if find_spec(package) is None:
            raise ElmoImportError(Errors.EL353.format(package=package))
