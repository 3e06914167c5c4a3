"""The models of NLPL's repository: ELMoForManyLangs, RusVectores, NorELMo and those of SemEval 2020."""

from .entry import UNKNOWN, Domain, Entry
from .published import LARGE, NLPL_11, NLPL_20, publish

_PAGE = "http://vectors.nlpl.eu/repository/"
_MANYLANGS_PAGE = "https://github.com/HIT-SCIR/ELMoForManyLangs"
# What ELMoForManyLangs' authors ask for; the second is the repository's own.
_MANYLANGS_PAPERS = ("che2018", "fares2017")

# The languages of ELMoForManyLangs (Che et al. 2018), with the numbers of their models.
MANYLANGS: dict[str, int] = {
    "ar": 136, "bg": 137, "ca": 138, "cs": 139, "cu": 140, "da": 141, "de": 142, "el": 143, "en": 144, "es": 145,
    "et": 146, "eu": 147, "fa": 148, "fi": 149, "fr": 150, "ga": 151, "gl": 152, "grc": 153, "he": 154, "hi": 155,
    "hr": 156, "hu": 157, "id": 158, "it": 159, "ja": 160, "ko": 161, "la": 162, "lv": 163, "nl": 164, "nb": 165,
    "nn": 166, "pl": 167, "pt": 168, "ro": 169, "ru": 170, "sk": 171, "sl": 172, "sv": 173, "tr": 174, "ug": 175,
    "uk": 176, "ur": 177, "vi": 178, "zh": 179,
}  # fmt: skip
# Names of AllenNLP's, which are older here than those by languages.
_TAKEN = ("pt",)


def _manylangs(code: str, number: int) -> Entry:
    return Entry(
        name=f"manylangs/{code}", language=code, maker="Che et al., ELMoForManyLangs",
        # The authors give the licence in HIT-SCIR/ELMoForManyLangs, issue 64.
        licence="MIT", licence_from="issue 64 of HIT-SCIR/ELMoForManyLangs",
        page=_MANYLANGS_PAGE, citations=_MANYLANGS_PAPERS, files=(publish(NLPL_11, f"{number}.zip"),),
        aliases=() if code in _TAKEN else (code,), **LARGE,
        note="In traditional characters." if code == "zh" else "",
    )  # fmt: skip


def _zip(
    name: str,
    number: int,
    maker: str,
    paper: str,
    note: str = "",
    *,
    bases: tuple[str, ...] = NLPL_20,
    domain: Domain = "general",
    dim: int | None = None,
) -> Entry:
    """Make the entry of a zip with weights in HDF5, options and a vocabulary."""
    return Entry(
        name=name, language=name.partition("/")[0], domain=domain, maker=maker, licence=UNKNOWN, page=_PAGE,
        citations=(paper, "fares2017"), files=(publish(bases, f"{number}.zip"),), aliases=(f"nlpl/{number}",),
        dim=dim, note=note,
    )  # fmt: skip


_RUSVECTORES = ("Kutuzov, RusVectores", "kutuzov2017")
_SEMEVAL = ("Kutuzov, Giulianelli", "kutuzov2020")
_NORELMO = ("Kutuzov et al., NorELMo", "kutuzov2021")
_LEMMAS = "Its tokens are lemmas: lemmatize your text first."

ENTRIES = [
    *(_manylangs(code, number) for code, number in MANYLANGS.items()),
    Entry(
        name="manylangs/zhs", language="zh", domain="news", maker="Che et al., ELMoForManyLangs", licence="MIT",
        licence_from="issue 64 of HIT-SCIR/ELMoForManyLangs", page=_MANYLANGS_PAGE,
        citations=("che2018",), files=(publish(("http://39.96.43.154/",), "zhs.model.tar.bz2"),), aliases=("zhs",),
        **LARGE, note="In simplified characters, trained on Xinhua's news.",
    ),
    _zip("ru/rusvectores-tokens", 195, *_RUSVECTORES, "Trained on RNC and Wikipedia.", bases=NLPL_11),
    _zip("ru/rusvectores-lemmas", 196, *_RUSVECTORES, f"Trained on RNC and Wikipedia. {_LEMMAS}", bases=NLPL_11),
    _zip("ru/rusvectores-taiga", 199, *_RUSVECTORES, f"Trained on Taiga. {_LEMMAS}", dim=2048),
    _zip(
        "ru/rusvectores-araneum", 212, *_RUSVECTORES, f"Trained on Araneum. {_LEMMAS}", domain="web", dim=2048,
    ),
    _zip("en/semeval2020", 209, *_SEMEVAL),
    _zip("en/semeval2020-193", 193, *_SEMEVAL, "Another version of its authors' list has it for English."),
    _zip("de/semeval2020", 201, *_SEMEVAL),
    _zip("sv/semeval2020", 202, *_SEMEVAL),
    _zip("la/semeval2020", 203, *_SEMEVAL),
    _zip("no/norelmo-lemmas", 210, *_NORELMO, _LEMMAS),
    _zip("no/norelmo", 211, *_NORELMO),
    _zip("no/norelmo-30k", 217, *_NORELMO, "Trained to predict 30,000 words."),
    _zip("no/norelmo-100k", 218, *_NORELMO, "Trained to predict 100,000 words."),
]  # fmt: skip
