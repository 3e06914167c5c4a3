"""Messages of the download of published models: the network, archives, the cache."""

from .classes import WithCodes


class DownloadErrors(metaclass=WithCodes):
    EL140 = "There is no published model named '{name}'. {closest} List all models: spacy-elmo models"
    EL141 = (
        "'{file}' could not be downloaded:{reasons}\n{advice} Or download the model by hand into a folder, and "
        "give that folder as source."
    )
    EL142 = (
        "'{path}' cannot be written ({reason}). Free disk space, or set the environment variable {variable} to a "
        "writable folder."
    )
    EL143 = (
        "The model '{name}' is not in the cache ('{folder}'), and {offline} does not allow downloads. Unset that "
        "variable; or copy the folder from a computer on which you ran: spacy-elmo download {name}; or set "
        "{mirror} to a copy on disk (file://...)."
    )
    EL144 = (
        "{variable} must be a URL with http://, https:// or file:// (for a folder, its absolute path: "
        "file:///models); got '{got}'."
    )
    EL145 = "The cached file '{path}' {what}. Download the model again: spacy-elmo download {name} --force"
    EL146 = (
        "The file '{file}' of the model '{name}' is not the one that was published before: its sha256 is {got}, "
        "but was {pinned} when it was first downloaded. If you expect a new version, delete '{pins}' to accept "
        "it; otherwise do not trust the download."
    )
    EL147 = "'{path}' is damaged ({reason}). Delete it; it is created again from the files in the cache."
    EL148 = (
        "The cached folder '{folder}' lacks '{file}'. Put the complete model there, or download it: spacy-elmo "
        "download {name} --force"
    )

    EL149 = (
        "--force would download the model '{name}' again, but {offline} does not allow downloads. Unset that "
        "variable; or omit --force: the model is in the cache ('{folder}')."
    )
    EL266 = (
        "The files downloaded for the model '{name}' are not the model ({reason}). They were deleted. Try again "
        "later; or download the model by hand into a folder, and give that folder as source."
    )

    # Archives
    EL150 = "'{path}' is not an archive that can be unpacked. Allowed: zip, tar, tar.gz, tar.bz2 and tar.xz."
    EL151 = "The archive '{path}' is truncated or damaged ({reason}). Download it again."
    EL152 = "The archive '{path}' was rejected: its member '{member}' {reason}. Nothing was unpacked."
    EL153 = "The archive '{path}' was rejected: {reason}. Nothing was unpacked."
    EL154 = "The folder '{folder}' is not empty. Unpack archives into a new or empty folder."
