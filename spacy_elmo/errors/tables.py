"""Messages of Arrow tables and Parquet files."""

from .classes import WithCodes


class TableErrors(metaclass=WithCodes):
    """Codes from EL820 on."""
