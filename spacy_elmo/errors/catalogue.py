"""Messages of the catalogue of published models."""

from .classes import WithCodes


class CatalogueErrors(metaclass=WithCodes):
    EL320 = "'{name}' cannot be read: {reason}. Instead, {instead}."
    EL321 = (
        "The model '{name}' has no files that a program can download. Download them by hand from {page} into a "
        "folder, and give that folder as source.{more}"
    )
    EL322 = "No published model is for the language {got}. Give a code or an English name: {allowed}."
    EL323 = "{got} is not a domain of the published models. Allowed: {allowed}."
    EL324 = "No published model matches {given}. List all models: spacy-elmo models"
    EL325 = (
        "The model '{name}' is not downloaded, so that there are no weights to compare with a checksum. Download "
        "it first: spacy-elmo download {name}"
    )
    EL326 = (
        "'{name}' is one model, and --{option} searches all. Give a name alone, or options alone: spacy-elmo "
        "models --search WORDS"
    )
