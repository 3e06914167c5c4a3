"""Messages of Arrow tables and Parquet files."""

from .classes import WithCodes


class TableErrors(metaclass=WithCodes):
    EL820 = (
        "Token {token} of sentence {sentence} is {got}, with half of a surrogate pair, which Arrow and Parquet "
        "cannot store. Correct the text, or replace it: text.encode('utf-16', 'surrogatepass').decode('utf-16', "
        "'replace')."
    )
