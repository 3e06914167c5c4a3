"""Messages of the server: requests that cannot be answered, and why it does not start."""

from .classes import WithCodes


class ServerErrors(metaclass=WithCodes):
    EL340 = "The request has {got}, but {limit} are allowed. Send the text in parts."
