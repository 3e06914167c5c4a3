"""Messages of the catalogue of published models."""

from .classes import WithCodes


class CatalogueErrors(metaclass=WithCodes):
    EL320 = "'{name}' cannot be read: {reason}. Use instead: {instead}."
    EL321 = (
        "The model '{name}' is shared as a folder, which no program can download as files. Download it by hand from "
        "{page} into a folder, and give that folder as source.{terms}"
    )
    EL322 = "No published model is for the language {got}. Give a code or an English name: {allowed}."
    EL323 = "{got} is not a domain of published models. Allowed: {allowed}."
    EL324 = "No published model matches {given}. List all models: spacy-elmo models"
