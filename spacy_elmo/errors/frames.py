"""Messages of `predict` and its data frames."""

from .classes import WithCodes


class FrameErrors(metaclass=WithCodes):
    """Codes from EL800 on."""

    EL800 = "{what} requires the package {package}. Install it: pip install {package}"
    EL801 = (
        "predict() requires a text, an iterable or Series of texts, or a data frame with texts in the column "
        "'text' or in its first one; got {got}. {advice}"
    )
    EL802 = "predict() requires texts, each a str, None or NaN; {where} is {got}. {advice}"
    EL803 = "output_level = {got!r} is not supported. Allowed: {allowed}."
    EL804 = "pooling = {got!r} is not supported. Allowed: {allowed}, or None for a vector per token."
    EL805 = (
        "pooling = {got!r} makes one vector of all tokens of a sentence or document, but with output_level = "
        "'token' each token has a row. Give output_level = 'sentence' or 'document', or pooling = None."
    )
    EL806 = (
        "The data frame has a column {name}, and so would the result. Rename it, "
        "data.rename(columns={{{name}: {other}}}), or leave it out, data.drop(columns={name}){also}."
    )
    EL807 = "column = {got!r} cannot be the name of the column of vectors: {reason}. Give another name."
    EL808 = "The data frame {reason}, so its texts cannot be found. {advice}"
    EL809 = (
        "nlp must be a spaCy pipeline, or the name of one: 'blank:en', 'tokenizer:en', or as for spacy.load; got "
        "{got}."
    )
