"""Messages of the stages for Spark."""

from .classes import WithCodes


class SparkErrors(metaclass=WithCodes):
    """Codes from EL850 on."""
