"""English models for texts of no special field: AllenNLP's, and those that others made of them."""

from ..releases import File
from .entry import UNKNOWN, Domain, Entry
from .published import ALLENNLP_ELMO, ALLENNLP_PAGE, LARGE, publish, publish_pair

_PETERS = ("peters2018",)
_LARGE = "2x4096_512_2048cnn_2xhighway"
_MEDIUM = "2x2048_256_2048cnn_1xhighway"
_SMALL = "2x1024_128_2048cnn_1xhighway"
_DIMS = {_LARGE: (4096, 512), f"{_LARGE}_5.5B": (4096, 512), _MEDIUM: (2048, 256), _SMALL: (1024, 128)}
# AllenNLP's licence, Apache-2.0, covers its code and not the models (allenai/allennlp, issue 1462).


def _pair(
    name: str,
    model: str,
    *,
    domain: Domain = "news",
    sizes: tuple[int | None, int | None] = (None, None),
    sha256: str | None = None,
    aliases: tuple[str, ...] = (),
) -> Entry:
    """Make the entry of one of AllenNLP's pairs.

    sizes (tuple[int | None, int | None]): Bytes of options and weights.
    sha256 (str | None): The checksum of the weights.
    """
    path = f"{model}/elmo_{model}"
    files = (
        publish(ALLENNLP_ELMO, f"{path}_options.json", size=sizes[0]),
        publish(ALLENNLP_ELMO, f"{path}_weights.hdf5", size=sizes[1], sha256=sha256),
    )
    dim, projection_dim = _DIMS[model]
    return Entry(
        name=name, language="en", domain=domain, maker="AllenNLP", page=ALLENNLP_PAGE, citations=_PETERS,
        files=files, aliases=(f"elmo_{model}", *aliases), n_layers=2, dim=dim, projection_dim=projection_dim,
    )  # fmt: skip


def _checkpoint(name: str, model: str, *, folder: str, number: int, note: bool, words: str) -> Entry:
    """Make the entry of the checkpoint that a pair was made from.

    folder (str): The path of its folder.
    number (int): The number of its batch.
    note (bool): Whether TensorFlow's note `checkpoint` was published as well.
    words (str): The path of its vocabulary.
    """
    start = f"{folder}/model.ckpt-{number}"
    files = [f"{folder}/options.json", f"{start}.index", f"{start}.data-00000-of-00001", words]
    optional = [f"{folder}/checkpoint"] if note else []
    dim, projection_dim = _DIMS[model]
    return Entry(
        name=f"{name}/lm", language="en", domain="news", maker="AllenNLP", citations=_PETERS,
        page="https://github.com/allenai/bilm-tf", n_layers=2, dim=dim, projection_dim=projection_dim,
        files=tuple(publish(ALLENNLP_ELMO, path, is_optional=path in optional) for path in files + optional),
        note=f"The TensorFlow checkpoint of {name}, with its softmax over 793,471 words.",
    )  # fmt: skip


def _first_two(name: str, folder: str) -> Entry:
    bases = (f"https://public.ukp.informatik.tu-darmstadt.de/reimers/2019_elmo_weights/{folder}/",)
    files = [f"elmo_{_LARGE}_options_first_two_layers.json", f"elmo_{_LARGE}_weights_first_two_layers.hdf5"]
    return Entry(
        name=f"{name}/two-layers", language="en", domain="news" if name == "original" else "general",
        maker="UKP Lab", licence=UNKNOWN, page="https://github.com/UKPLab/elmo-bilstm-cnn-crf",
        files=tuple(publish(bases, file, under=f"ukp/{folder}/") for file in files),
        citations=("peters2018", "reimers2019"), n_layers=1, dim=4096, projection_dim=512,
        note=f"{name} without its second LSTM layer. It can be read only if that layer is not in its file.",
    )  # fmt: skip


def _module(version: int) -> Entry:
    path = f"google/elmo/{version}.tar.gz"
    page = f"https://tfhub.dev/google/elmo/{version}"
    urls = (
        f"https://storage.googleapis.com/tfhub-modules/{path}",
        f"{page}?tf-hub-format=compressed",
        f"https://www.kaggle.com/api/v1/models/google/elmo/tensorFlow1/elmo/{version}/download",
    )
    return Entry(
        name=f"tfhub/elmo/{version}", language="en", domain="news", maker="Google, TF Hub", citations=_PETERS,
        files=(File(path, urls),), addresses=(page,), **LARGE,
        evidence="description" if version == 1 else "layout",
    )  # fmt: skip


ENTRIES = [
    _pair("original", _LARGE, sizes=(336, 374_434_792)),
    _pair("original_5.5B", f"{_LARGE}_5.5B", domain="general", aliases=("large", "5.5B")),
    _pair(
        "small",
        _SMALL,
        sizes=(None, 54_402_456),
        sha256="747ba97abce8a5f446558369e10bb0f7931437a46867476fdd156f5d7f576229",
    ),
    _pair("medium", _MEDIUM),
    _checkpoint(
        "original", _LARGE, folder=f"{_LARGE}_tf_checkpoint", number=935588, note=True,
        words="vocab-2016-09-10.txt",
    ),
    _checkpoint(
        "small", _SMALL, folder=f"{_SMALL}/tf_checkpoint", number=1501260, note=True,
        words="vocab-2016-09-10.txt",
    ),
    _checkpoint(
        "medium", _MEDIUM, folder=f"{_MEDIUM}/tf_checkpoint", number=1501260, note=False,
        words=f"{_LARGE}/vocab-2016-09-10.txt",
    ),
    _first_two("original", "Original"),
    _first_two("original_5.5B", "Original_5.5B"),
    Entry(
        name="original/lysandre", language="en", domain="news", maker="Hugging Face, lysandre", citations=_PETERS,
        files=publish_pair(("https://huggingface.co/lysandre/elmo/resolve/main/",), under="lysandre/"),
        addresses=("https://huggingface.co/lysandre/elmo",), **LARGE,
        note="By the sizes of its files a copy of original, about 374 MB; they were not compared.",
    ),
    _module(3),
    _module(2),
    _module(1),
    # Its page gives no licence other than "open source".
    Entry(
        name="sparknlp/elmo", language="en", domain="news", maker="John Snow Labs, Spark NLP", citations=_PETERS,
        files=(
            publish(
                ("https://s3.amazonaws.com/auxdata.johnsnowlabs.com/",),
                "public/models/elmo_en_2.4.0_2.4_1580488815299.zip",
            ),
        ),
        aliases=("elmo", "en.embed.elmo"), **LARGE,
    ),
]  # fmt: skip
