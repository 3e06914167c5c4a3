"""Reader of spaCy's binary files of Docs."""

from collections.abc import Iterator

from spacy.tokens import DocBin
from spacy.vocab import Vocab

from ..errors import ElmoError, Errors
from .items import Item
from .packed import InputFile


def read_docbin(file: InputFile) -> Iterator[Item]:
    """Read the sentences of each Doc, or the whole Doc if it has none. An empty Doc is an empty sentence.

    The file is read at once, because it is one compressed block; Docs are created one by one.

    file (InputFile): The file.
    YIELDS (Item): Each sentence.
    RAISES (ElmoError): If it is not a DocBin, or spaCy cannot read it.
    """
    with file.open() as stream:
        content = stream.read()
    try:
        docs = DocBin().from_bytes(content)
    except Exception as error:
        raise ElmoError(Errors.EL023.format(path=file.path, reason=f"not a DocBin ({error})")) from error
    n_bytes = len(content)
    del content
    # Nothing else of a Doc is needed, and damage in it must not matter.
    docs.cats = [{}] * len(docs)
    docs.span_groups = [b""] * len(docs)
    docs.user_data = [None] * len(docs)
    number = 0
    try:
        for number, doc in enumerate(docs.get_docs(Vocab()), start=1):
            end = n_bytes * number / len(docs)
            if not len(doc):
                yield Item("", [], end, by_spacy=True)
                continue
            for span in doc.sents if doc.has_annotation("SENT_START") else [doc[:]]:
                yield Item(span.text, [token.text for token in span], end, by_spacy=True)
    except Exception as error:
        reason = f"Doc {number + 1} of its DocBin cannot be restored ({error})"
        raise ElmoError(Errors.EL023.format(path=file.path, reason=reason)) from error
