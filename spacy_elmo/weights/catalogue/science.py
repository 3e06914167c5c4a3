"""Models for proteins, receptors, medicine, chemistry and code."""

from dataclasses import replace

from ..releases import File
from .entry import UNKNOWN, Entry
from .published import ALLENNLP_ELMO, ALLENNLP_PAGE, LARGE, publish, publish_on_drive, publish_pair

_SEQVEC_PAGE = "https://github.com/mheinzinger/SeqVec"
_SEQVEC_FOLDERS = (
    "https://data.bioembeddings.com/public/embeddings/embedding_models/seqvec/",
    "http://data.bioembeddings.com/public/embeddings/embedding_models/seqvec/",
    "https://rostlab.org/~deepppi/embedding_repo/embedding_models/seqvec/",
    "http://rostlab.org/~deepppi/embedding_repo/embedding_models/seqvec/",
)
_SEQVEC_ZIP = "https://rostlab.org/~deepppi/seqvec.zip"
_CHEMISTRY = ("https://github.com/zenanz/ChemPatentEmbeddings/raw/master/ELMo/",)
_BIOELMO = "https://github.com/Andy-jqa/bioelmo"
_CLINICAL = "https://github.com/noc-lab/clinical_concept_extraction"

SEQVEC = Entry(
    name="seqvec", language=None, domain="protein", maker="Heinzinger et al., Rostlab", licence="MIT",
    licence_from="its repository", page=_SEQVEC_PAGE, citations=("heinzinger2019",), aliases=("uniref50_v2",),
    addresses=(_SEQVEC_PAGE, "https://github.com/Rostlab/SeqVec"),
    files=publish_pair(
        _SEQVEC_FOLDERS, under="seqvec/", sizes=(541, 374_434_776),
        md5=("cede355187778de3ac302a83c761f5f9", "0249d59249a50b43b79f641ff2ba7e88"),
    ),
    note="Trained on UniRef50. A token is a residue, and a sentence a protein.", **LARGE,
)  # fmt: skip


def _catelmo(name: str, folder: str, n_layers: int) -> Entry:
    share = f"https://www.dropbox.com/sh/{folder}"
    return Entry(
        name=name, language=None, domain="tcr", maker="Zhang et al., Arizona State University",
        licence="CC BY-NC-ND 4.0", licence_from="its repository", page=f"{share}?dl=0", citations=("zhang2023",),
        # Dropbox packs a folder.
        files=(File(f"{name}.zip", (f"{share}?dl=1",)),),
        n_layers=n_layers, note="A token is a residue, and a sentence the CDR3 of a T-cell receptor's beta chain.",
    )  # fmt: skip


ENTRIES = [
    replace(
        SEQVEC, name="seqvec/zip", aliases=(),
        files=(
            File(
                "seqvec.zip",
                (
                    _SEQVEC_ZIP,
                    "https://lbs.cent.uw.edu.pl/static/files/seqvec.zip",
                    f"https://web.archive.org/web/20220324054637id_/{_SEQVEC_ZIP}",
                ),
            ),
        ),
        addresses=(f"https://web.archive.org/web/20220324054637/{_SEQVEC_ZIP}",),
        note="The files of seqvec in one zip, if its addresses do not answer.",
    ),
    replace(
        SEQVEC, name="seqvec/lm", aliases=(), addresses=(), evidence="description",
        files=(publish(("https://rostlab.org/~deepppi/",), "seqvec_checkpoint.tar.gz"),),
        note="The TensorFlow checkpoint of seqvec, with its softmax over 28 words.",
    ),
    _catelmo("catelmo", "jpw6z71bsn1t7ev/AADRiL7_amT0vQrpep45PcOPa", 4),
    _catelmo("catelmo-shallow", "4no85yecsuaiiw4/AAA2UxA5E9RNdjPBleYITXhsa", 2),
    _catelmo("catelmo-deep", "ua1x0ateod5ntui/AAANxH8OrJn_pcZY8SwyiypDa", 8),
    Entry(
        name="pubmed", language="en", domain="biomedical", maker="AllenNLP", citations=("peters2018",),
        files=(
            publish(ALLENNLP_ELMO, "contributed/pubmed/elmo_2x4096_512_2048cnn_2xhighway_options.json", size=336),
            publish(
                ALLENNLP_ELMO,
                "contributed/pubmed/elmo_2x4096_512_2048cnn_2xhighway_weights_PubMed_only.hdf5",
                size=374_434_792,
            ),
        ),
        page=ALLENNLP_PAGE, **LARGE,
    ),
    Entry(
        name="bioelmo", language="en", domain="biomedical", maker="Jin et al.", citations=("jin2019",),
        files=(
            publish_on_drive("19sLZ1NhUtD_bMgTstSRWoVDx6Vm-T8Qt", "bioelmo/options.json"),
            publish_on_drive("1CHRd5YQrt3ys64WfJkJR1KX72-2CaT4I", "bioelmo/weights.hdf5"),
        ),
        page=_BIOELMO, addresses=(_BIOELMO,), note="Trained on 10 million abstracts of PubMed.",
    ),
    Entry(
        name="bioelmo/lm", language="en", domain="biomedical", maker="Jin et al.", citations=("jin2019",),
        # Its files have no names on the drive's addresses; these are TensorFlow's usual ones.
        files=(
            publish_on_drive("1C2VqDUNpI3RKsaYr1T1ZDAo5X97cTb2i", "bioelmo/lm/options.json"),
            publish_on_drive("1x_vuZSIwc8ADe4iXxn21EllYxWtzuK0J", "bioelmo/lm/model.ckpt.index"),
            publish_on_drive("1fDSCy0mGt8hGUNCp-VO7JZ50-dHZQDuK", "bioelmo/lm/model.ckpt.data-00000-of-00001"),
            publish_on_drive("15cXEVoRhUQ9oBnHVFP3nx6GQozczgxgP", "bioelmo/lm/vocab.txt"),
        ),
        page=_BIOELMO,
        note="The TensorFlow checkpoint of bioelmo, with its softmax over a million words.",
    ),
    Entry(
        name="clinical", language="en", domain="clinical", maker="Zhu et al., Boston University", licence="MIT",
        licence_from="its repository", page=_CLINICAL, citations=("zhu2018",), aliases=("mimic_wiki",),
        files=(File("clinical/elmo.tar.gz", (f"{_CLINICAL}/releases/download/latest/elmo.tar.gz",)),),
        note="Trained on MIMIC-III and Wikipedia.",
    ),
    Entry(
        name="chemistry", language="en", domain="chemistry", maker="Zhai et al., University of Melbourne",
        page="https://chemu.eng.unimelb.edu.au/ELMo/", citations=("zhai2019",), aliases=("chempatent",),
        files=publish_pair(
            _CHEMISTRY, under="chemistry/", sizes=(336, 374_434_776),
            sha256=(
                "86cb4c1a7e2f25e3867d06810e33ae27fbbd511ac77ca377be5fb7405a7085b1",
                "32a7af920f480eaf231b567676745ba7ccfdfed3885938bcad9bdd42759f0fd4",
            ),
        ),
        addresses=("https://github.com/zenanz/ChemPatentEmbeddings",),
        note="Trained on patents in which words of 25 characters and more were replaced by long_token.",
        **LARGE,
    ),
    Entry(
        name="stackoverflow", language="en", domain="code", maker="Tabassum et al.", licence=UNKNOWN,
        files=(), page="https://drive.google.com/drive/folders/1iEEMr2DYofulK2F5pSErOPf5ggrEqtJt",
        addresses=("https://github.com/jeniyat/StackOverflowNER",), aliases=("SO_elmo",),
        citations=("tabassum2020",),
        note="Give its options and weights as a pair: SO_elmo_option.json, SO_elmo_weights.hdf5.",
    ),
]  # fmt: skip
