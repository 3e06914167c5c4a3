"""AllenNLP's whole models for a task, whose ELMo is that of `original` with the mixes of the task."""

from typing import NamedTuple

from .entry import Entry
from .published import ALLENNLP, ALLENNLP_2020, LARGE, publish


class _Archive(NamedTuple):
    """An archive of AllenNLP's.

    name (str): The short name of its task.
    date (str): Its date.
    published (str): Its own name, without the date.
    task (str): What it is for, as in the names of AllenNLP's pages.
    bases (tuple[str, ...]): Where it is.
    dot (bool): Whether a dot stands before the date, instead of a hyphen.
    """

    name: str
    date: str
    published: str
    task: str
    bases: tuple[str, ...] = ALLENNLP
    dot: bool = False

    @property
    def stem(self) -> str:
        return f"{self.published}{'.' if self.dot else '-'}{self.date}"


_DECOMPOSABLE = ("decomposable-attention-elmo", "textual entailment")
_ESIM = ("esim-elmo", "textual entailment")
_PARSER = ("elmo-constituency-parser", "constituency parsing")
_NER = ("ner-model", "named entities of CoNLL 2003")
_FINE_NER = ("fine-grained-ner-model-elmo", "named entities of OntoNotes")
_SRL = ("srl-model", "semantic roles")

_ARCHIVES = [
    _Archive("ner", "2018.12.18", *_NER),
    _Archive("ner", "2020.02.10", *_NER),
    _Archive("ner", "2021-02-12", "ner-elmo", _NER[1], ALLENNLP_2020, dot=True),
    _Archive("fine-ner", "2018.12.21", *_FINE_NER),
    _Archive("fine-ner", "2020.02.10", *_FINE_NER),
    _Archive("srl", "2018.05.25", *_SRL),
    _Archive("srl", "2020.02.10", *_SRL),
    _Archive("parser", "2018.03.14", *_PARSER),
    # At both places under one name.
    _Archive("parser", "2020.02.10", *_PARSER, (*ALLENNLP_2020, *ALLENNLP)),
    _Archive("esim", "2018.05.17", *_ESIM),
    _Archive("esim", "2020.02.10", *_ESIM),
    _Archive("esim", "2020.11.11", *_ESIM, ALLENNLP_2020),
    _Archive("decomp", "2018.02.19", *_DECOMPOSABLE),
    _Archive("decomp", "2020.02.10", *_DECOMPOSABLE),
    _Archive("decomp", "2020.04.09", *_DECOMPOSABLE, ALLENNLP_2020),
    _Archive("sst-5", "2018.09.04", "sst-5-elmo-biattentive-classification-network", "sentiment"),
    _Archive("bidaf", "2021-02-11", "bidaf-elmo", "reading comprehension", ALLENNLP_2020, dot=True),
]


def _make_entry(archive: _Archive) -> Entry:
    return Entry(
        name=f"allennlp/{archive.name}-{archive.date[:7].replace('-', '.')}",
        language="en",
        domain="news",
        maker="AllenNLP",
        files=(publish(archive.bases, f"{archive.stem}.tar.gz"),),
        # Its full name, as in the addresses.
        aliases=(f"allennlp/{archive.stem}", archive.stem),
        citations=("peters2018", "gardner2018"),
        note=f"The ELMo in a whole model for {archive.task}, with its mixes.",
        **LARGE,
    )


ENTRIES = [_make_entry(archive) for archive in _ARCHIVES]
