"""Messages of models that are named by addresses or by repositories."""

from .classes import WithCodes


class AddressErrors(metaclass=WithCodes):
    EL274 = (
        "The address '{url}' ends with '{got}', which is no checksum. Allowed: #sha256= with 64 hexadecimal "
        "digits, #md5= with 32."
    )
    EL275 = (
        "'{url}' is not an address that can be downloaded from. Allowed: https://, http:// and file:// with a "
        "host or path, and hf://owner/name for Hugging Face. In a user name or password, write special characters "
        "as in %2F for / and %40 for @. Other storage: download the model by hand into a folder, and give that "
        "folder as source."
    )
    EL276 = (
        "The address '{url}' is that of a folder or repository, and has no checksum of its own. Give the "
        "addresses of the options and of the weights as a pair, each with its checksum; or, for a repository, "
        "name a commit in place of the checksum: hf://owner/name@COMMIT"
    )
    EL277 = "'{name}' has more than one model ({found}). Give the address of one of them, or of its two files."
    EL278 = (
        "'{name}' is a repository on Hugging Face, which requires the package huggingface_hub. Install it: pip "
        "install huggingface_hub"
    )
    EL279 = (
        "'{source}' does not name a repository on Hugging Face or a file in it. Give hf://owner/name, "
        "hf://owner/name@revision or hf://owner/name@revision/folder; a slash in a revision is written as %2F."
    )
    EL280 = (
        "No model was found at '{name}'. Tried:{reasons}\nGive the address of an archive, of the options file, "
        "of the weights file, of a folder with both, or of both files: [options, weights]. If the page needs a "
        "browser, download the model by hand into a folder, and give that folder as source."
    )
    EL281 = (
        "'{name}': Hugging Face has no such {what}, or it is private. Correct the name; for a private "
        "repository, log in (hf auth login) or set HF_TOKEN."
    )
    EL282 = (
        "'{name}' holds no ELMo. It contains: {found}. An ELMo has an options.json and weights in HDF5 or "
        "safetensors, or is one of the other formats of spacy-elmo, or an archive of one."
    )
    EL283 = (
        "Hugging Face could not be asked for '{name}': {reason}\nCheck the network, and try again. HF_ENDPOINT "
        "sets another server with the same interface."
    )
    EL286 = (
        "A pair of addresses must be those of an options file and of a weights file; '{url}' is {what}. Give its "
        "address alone."
    )
    EL287 = (
        "`download` takes one name or address, or the addresses of an options file and a weights file; got {got}. "
        "Run it once for each model."
    )
    EL288 = (
        "The repository '{name}' has a file whose name cannot be used: '{file}'. Download the model by hand into "
        "a folder, and give that folder as source."
    )
    EL284 = "The files of '{name}' have {size:,} bytes together; allowed: {most:,}."
