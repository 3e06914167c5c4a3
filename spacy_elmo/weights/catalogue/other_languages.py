"""Models of other languages than English, of a maker each."""

from dataclasses import replace

from ..releases import File
from .entry import UNKNOWN, Domain, Entry
from .published import (
    ALLENNLP_ELMO,
    ALLENNLP_PAGE,
    DEEPPAVLOV,
    LARGE,
    publish,
    publish_on_drive,
    publish_pair,
)

_STOCKMARK = "https://drive.google.com/drive/folders/1sau1I10rFeAn8BDk8eZDL5qaEjTlNghp"


def _portuguese() -> list[Entry]:
    def files(folder: str, options: str, weights: str) -> tuple[File, ...]:
        return tuple(publish(ALLENNLP_ELMO, f"contributed/pt/{folder}{name}") for name in (options, weights))

    wikipedia = Entry(
        name="pt/wikipedia", language="pt", maker="Quinta de Castro et al., UFG", page=ALLENNLP_PAGE,
        files=files("wikipedia/", "options.json", "elmo_pt_weights.hdf5"),
        citations=("peters2018", "rodrigues2020"),
    )  # fmt: skip
    brwac = files("brwac/", "options.json", "elmo_pt_weights_dgx1.hdf5")
    return [
        replace(
            wikipedia, name="pt", aliases=("portuguese",), **LARGE,
            files=files("", "elmo_pt_options.json", "elmo_pt_weights.hdf5"),
            note="AllenNLP's page had it until March 2020; since then, it has pt/wikipedia and pt/brwac.",
        ),
        wikipedia,
        replace(wikipedia, name="pt/brwac", domain="web", files=brwac),
    ]  # fmt: skip


def _german() -> list[Entry]:
    page = "https://github.com/t-systems-on-site-services-gmbh/german-elmo-model"
    release = (f"{page}/releases/download/files_1/",)
    files = publish_pair(
        release, under="t-systems/",
        md5=("da99676f2fe2838ff2663a6d9bad97dd", "f3ab3a68caae6d42bac47c230b3a65bf"),
    )  # fmt: skip
    joining = (
        "Its TensorFlow checkpoint with softmax. Join the four parts: cat bilm-output-result.tgz.part-* > "
        "bilm-output-result.tgz (md5 2aa41bbc32d42eae052a7ddf37909443)."
    )
    pair = Entry(
        name="de/t-systems", language="de", maker="May, T-Systems", licence="BSD-2", licence_from="its repository",
        page=page, citations=("peters2018",), files=files, note="Trained on Wikipedia and its discussions.",
    )  # fmt: skip
    return [pair, replace(pair, name="de/t-systems/lm", files=(), page=f"{page}/releases", note=joining)]


def _seven() -> list[Entry]:
    handle = "https://www.clarin.si/repository/xmlui/handle/11356/1277"
    bitstream = ("https://www.clarin.si/repository/xmlui/bitstream/handle/11356/1277/",)
    slovene = publish(bitstream, "slovenian-elmo.tar.gz")
    return [
        Entry(
            name=f"{code}/embeddia", language=code, maker="Ulčar, Robnik-Šikonja, EMBEDDIA", licence=UNKNOWN,
            files=(slovene,) if code == "sl" else (), page=handle, citations=("ulcar2020",),
        )
        for code in ("hr", "et", "fi", "lv", "lt", "sl", "sv")
    ]  # fmt: skip


def _oscar(code: str, *, is_wikipedia: bool) -> Entry:
    base = (f"https://traces1.inria.fr/oscar/files/models/{'wiki' if is_wikipedia else 'cc'}/",)
    papers = ("ortizsuarez2020", "ortizsuarez2020french") if code == "fr" else ("ortizsuarez2020",)
    return Entry(
        name=f"{code}/oscar-wikipedia" if is_wikipedia else f"{code}/oscar", language=code,
        domain="general" if is_wikipedia else "web", maker="Ortiz Suárez et al., OSCAR", licence="MIT",
        page="https://oscar-project.org", citations=papers, evidence="description",
        files=(publish(base, f"{code}.zip", under=f"oscar/{'wiki' if is_wikipedia else 'cc'}/"),),
        note="Its page was taken off in September 2020.",
    )  # fmt: skip


def _deeppavlov(corpus: str, domain: Domain, stem: str) -> list[Entry]:
    def files(stem: str) -> tuple[File, ...]:
        return (publish(DEEPPAVLOV, f"{stem}.tar.gz"),)

    module = Entry(
        name=f"deeppavlov/{corpus}", language="ru", domain=domain, maker="MIPT, DeepPavlov",
        licence="Apache-2.0", licence_from="DeepPavlov's documentation of version 0.2.0", files=files(stem),
        page="http://docs.deeppavlov.ai", citations=("burtsev2018",),
        note="A module of TF Hub. Its mix was not trained, and is not read.",
    )  # fmt: skip
    model, note = f"elmo-lm-ready4fine-tuning-ru-{corpus}", "A checkpoint to fine-tune, with its softmax."
    return [
        module,
        replace(module, name=f"{module.name}-lm", files=files(model), note=note),
        replace(module, name=f"{module.name}-simple", files=files(f"{model}-simple"), note=note),
    ]


def _stockmark(name: str, note: str, *addresses: str) -> Entry:
    return Entry(
        name=name, language="ja", domain="news", maker="Stockmark", licence=UNKNOWN, files=(), note=note,
        page=_STOCKMARK, addresses=addresses, citations=("che2018",),
        **LARGE,
    )  # fmt: skip


ENTRIES = [
    *_portuguese(),
    *_german(),
    Entry(
        name="eu/plur", language="eu", maker="Schweter", page="https://github.com/stefan-it/plur",
        files=publish_pair(("https://schweter.eu/cloud/eu-elmo/",), under="eu-elmo/"), citations=("peters2018",),
    ),
    Entry(
        name="ja/exawizards", language="ja", maker="Bataa, Wu, ExaWizards", page=ALLENNLP_PAGE,
        files=publish_pair(("https://exawizardsallenlp.blob.core.windows.net/data/",), under="exawizards/"),
        citations=("peters2018", "bataa2019"),
    ),
    _stockmark("ja/stockmark", "Business news, by characters and words, tokenized by MeCab.", _STOCKMARK),
    _stockmark("ja/stockmark-words", "Business news, by words alone, tokenized by MeCab."),
    Entry(
        name="ko/ratsgo", language="ko", maker="ratsgo", licence=UNKNOWN, citations=("peters2018",),
        files=(publish_on_drive("1go2JtVeYBOjkBCWJWk8inkSpVg7VfFVp", "ratsgo/elmo.zip"),),
        page="https://github.com/ratsgo/embedding", dim=1024, projection_dim=128,
        note="Tokenize your text with MeCab. It reads 30 bytes of a token.",
    ),
    Entry(
        name="pl/sdadas", language="pl", maker="Dadas", licence="LGPL-3", licence_from="its repository",
        page="https://github.com/sdadas/polish-nlp-resources", citations=("dadas2019",),
        files=(
            File(
                "sdadas/elmo.zip",
                ("https://github.com/sdadas/polish-nlp-resources/releases/download/v1.0/elmo.zip",),
            ),
        ),
        addresses=("https://drive.google.com/open?id=110c2H7_fsBvVmGJy08FEkkyRiMOhInBP",),
    ),
    Entry(
        name="ta/plur", language="ta", maker="Schweter", page="https://github.com/stefan-it/plur",
        files=publish_pair(("https://schweter.eu/cloud/ta-elmo/",), under="ta-elmo/"), citations=("peters2018",),
    ),
    Entry(
        name="te/clickbait", language="te", maker="the authors of Clickbait-Resources", licence=UNKNOWN,
        files=(), page="https://bit.ly/2SV0bPc", note="Its text is in WX transliteration: convert yours first.",
    ),
    *_seven(),
    *(_oscar(code, is_wikipedia=False) for code in ("bg", "ca", "da", "fi", "fr", "id")),
    *(_oscar(code, is_wikipedia=True) for code in ("bg", "ca", "da", "fi", "id")),
    *_deeppavlov("wiki", "general", "elmo_ru-wiki_600k_steps"),
    *_deeppavlov("news", "news", "elmo_ru-news_wmt11-16_1.5M_steps"),
    *_deeppavlov("twitter", "social", "elmo_ru-twitter_2013-01_2018-04_600k_steps"),
]  # fmt: skip
