"""Of fetching published models: downloads, archives, the cache of models."""

from .codes import WithCodes


class DownloadErrors(metaclass=WithCodes):
    EL140 = "There is no published model named '{name}'. {closest} List them all: spacy-elmo models"
    EL141 = (
        "'{file}' could not be downloaded:{reasons}\nCheck the network, and try again: what has arrived is kept. "
        "Or point the environment variable {mirror} to a copy (a URL with http://, https:// or file://). Or "
        "download the model by hand into a folder, and give that folder as source."
    )
    EL142 = (
        "'{path}' cannot be written ({reason}). Make room there, or point the environment variable {variable} to "
        "a folder that can be written."
    )
    EL143 = (
        "The model '{name}' is not in the cache ('{folder}'), and {offline} forbids to download it. Unset that "
        "variable; or copy the folder from a computer that ran: spacy-elmo download {name}; or point {mirror} to "
        "a copy on disk (file://...)."
    )
    EL144 = (
        "{variable} must be a URL with http://, https:// or file:// (a folder by its whole path: file:///models); "
        "got '{got}'."
    )
    EL145 = "The cached file '{path}' {what}. Fetch the model anew: spacy-elmo download {name} --force"
    EL146 = (
        "What is published as '{file}' of the model '{name}' is not what it was: its sha256 is {got}, and was "
        "{pinned} when it was first downloaded. If you expected a new publication, accept it by deleting the "
        "file '{pins}'; if not, do not trust the download."
    )
    EL147 = "'{path}' is damaged ({reason}). Delete it: it is made again from what is in the cache."
    EL148 = (
        "The cached folder '{folder}' lacks '{file}'. Put the whole model there, or fetch it: spacy-elmo download "
        "{name} --force"
    )

    EL149 = (
        "--force would download the model '{name}' anew, which {offline} forbids. Unset that variable; or leave "
        "--force out: the model is in the cache ('{folder}')."
    )
    EL266 = (
        "What was downloaded for the model '{name}' is not the model ({reason}). Nothing of it was kept. Try "
        "again later; or download the model by hand into a folder, and give that folder as source."
    )

    # Archives
    EL150 = "'{path}' is no archive that can be unpacked. Allowed: zip, tar, tar.gz, tar.bz2 and tar.xz."
    EL151 = "The archive '{path}' is cut short or damaged ({reason}). Fetch it again."
    EL152 = "The archive '{path}' is refused: its member '{member}' {reason}. Nothing was unpacked."
    EL153 = "The archive '{path}' is refused: {reason}. Nothing was unpacked."
    EL154 = "'{folder}' is not empty. Archives are unpacked into a new or an empty folder."
