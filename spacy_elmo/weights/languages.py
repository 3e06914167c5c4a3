"""The languages of ELMoForManyLangs (Che et al. 2018), and the numbers of their models in NLPL's repository."""

from typing import NamedTuple


class Language(NamedTuple):
    """A language of ELMoForManyLangs.

    number (int): The number of its model in the repository.
    english (str): Its English name.
    """

    number: int
    english: str


LANGUAGES: dict[str, Language] = {
    "ar": Language(136, "Arabic"),
    "bg": Language(137, "Bulgarian"),
    "ca": Language(138, "Catalan"),
    "cs": Language(139, "Czech"),
    "cu": Language(140, "Old Church Slavonic"),
    "da": Language(141, "Danish"),
    "de": Language(142, "German"),
    "el": Language(143, "Greek"),
    "en": Language(144, "English"),
    "es": Language(145, "Spanish"),
    "et": Language(146, "Estonian"),
    "eu": Language(147, "Basque"),
    "fa": Language(148, "Persian"),
    "fi": Language(149, "Finnish"),
    "fr": Language(150, "French"),
    "ga": Language(151, "Irish"),
    "gl": Language(152, "Galician"),
    "grc": Language(153, "Ancient Greek"),
    "he": Language(154, "Hebrew"),
    "hi": Language(155, "Hindi"),
    "hr": Language(156, "Croatian"),
    "hu": Language(157, "Hungarian"),
    "id": Language(158, "Indonesian"),
    "it": Language(159, "Italian"),
    "ja": Language(160, "Japanese"),
    "ko": Language(161, "Korean"),
    "la": Language(162, "Latin"),
    "lv": Language(163, "Latvian"),
    "nl": Language(164, "Dutch"),
    "nb": Language(165, "Norwegian Bokmål"),
    "nn": Language(166, "Norwegian Nynorsk"),
    "pl": Language(167, "Polish"),
    "pt": Language(168, "Portuguese"),
    "ro": Language(169, "Romanian"),
    "ru": Language(170, "Russian"),
    "sk": Language(171, "Slovak"),
    "sl": Language(172, "Slovene"),
    "sv": Language(173, "Swedish"),
    "tr": Language(174, "Turkish"),
    "ug": Language(175, "Uyghur"),
    "uk": Language(176, "Ukrainian"),
    "ur": Language(177, "Urdu"),
    "vi": Language(178, "Vietnamese"),
    # In traditional characters.
    "zh": Language(179, "Chinese"),
}
