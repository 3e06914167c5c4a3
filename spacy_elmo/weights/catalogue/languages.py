"""The languages of the published models, by their codes."""

from ...errors import ElmoError, Errors

# ISO 639-1, or 639-3 where that has none. `no` is Norwegian whose variety is not known, or both.
LANGUAGES: dict[str, str] = {
    "ar": "Arabic",
    "bg": "Bulgarian",
    "ca": "Catalan",
    "cs": "Czech",
    "cu": "Old Church Slavonic",
    "da": "Danish",
    "de": "German",
    "el": "Greek",
    "en": "English",
    "es": "Spanish",
    "et": "Estonian",
    "eu": "Basque",
    "fa": "Persian",
    "fi": "Finnish",
    "fr": "French",
    "ga": "Irish",
    "gl": "Galician",
    "grc": "Ancient Greek",
    "he": "Hebrew",
    "hi": "Hindi",
    "hr": "Croatian",
    "hu": "Hungarian",
    "id": "Indonesian",
    "it": "Italian",
    "ja": "Japanese",
    "ko": "Korean",
    "la": "Latin",
    "lt": "Lithuanian",
    "lv": "Latvian",
    "nb": "Norwegian Bokmål",
    "nl": "Dutch",
    "nn": "Norwegian Nynorsk",
    "no": "Norwegian",
    "pl": "Polish",
    "pt": "Portuguese",
    "ro": "Romanian",
    "ru": "Russian",
    "sk": "Slovak",
    "sl": "Slovene",
    "sv": "Swedish",
    "ta": "Tamil",
    "te": "Telugu",
    "tr": "Turkish",
    "ug": "Uyghur",
    "uk": "Ukrainian",
    "ur": "Urdu",
    "vi": "Vietnamese",
    "zh": "Chinese",
}
_OTHER_NAMES = {"farsi": "fa", "slovenian": "sl", "uighur": "ug", "mandarin": "zh"}


def find_languages(text: str) -> set[str]:
    """Find languages by what a user calls them.

    text (str): A code, an English name, or a word of one: Norwegian is also that of Bokmål.
    RETURNS (set[str]): The codes of the languages.
    RAISES (ElmoError): If there is none.
    """
    wanted = text.strip().lower()
    if wanted in LANGUAGES:
        return {wanted}
    names = {code: name.lower() for code, name in LANGUAGES.items()}
    found = {code for code, name in names.items() if wanted == name or wanted in name.split()}
    found |= {code for name, code in _OTHER_NAMES.items() if wanted == name}
    if not found:
        allowed = ", ".join(f"{code} {name}" for code, name in LANGUAGES.items())
        raise ElmoError(Errors.EL322.format(got=repr(text), allowed=allowed))
    return found
