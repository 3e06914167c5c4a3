"""Messages of `predict` and its data frames."""

from .classes import WithCodes


class FrameErrors(metaclass=WithCodes):
    EL800 = "{what} requires the package {package}. Install it: pip install {package}"
