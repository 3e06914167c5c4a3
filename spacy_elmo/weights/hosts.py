"""Hosts whose pages stand for files: the address of a page becomes that of its file.

By what the hosts document; none of them could be contacted where this was written.
"""

import re
from urllib.parse import parse_qs, urlencode, urlsplit, urlunsplit

# Hosts whose .../blob/... is a page, and what stands in the file's address instead.
_PAGES = {"github.com": "raw", "huggingface.co": "resolve", "hf.co": "resolve"}
_PAGE = re.compile(r"(/[^/]+/[^/]+)/blob/(.+)")
_DRIVE_FILE = re.compile(r"/file/d/([\w-]+)(?:/.*)?")


def to_file_url(url: str) -> str:
    """Translate the address of a page about a file to the address of the file.

    GitHub and Hugging Face: .../blob/... is a page, .../raw/... or .../resolve/... the file. Dropbox: dl=1 asks
    for the file, or for a folder as a zip. Google Drive: a file has an id; `confirm` skips the page that says that
    it was not scanned for viruses.

    url (str): The address, without a fragment.
    RETURNS (str): The address of the file; other addresses are unchanged.
    """
    parts = urlsplit(url)
    host = (parts.hostname or "").removeprefix("www.")
    if host in _PAGES:
        match = _PAGE.fullmatch(parts.path)
        return urlunsplit(parts._replace(path=f"{match[1]}/{_PAGES[host]}/{match[2]}")) if match else url
    if host == "dropbox.com":
        query = {name: values[-1] for name, values in parse_qs(parts.query).items()}
        return urlunsplit(parts._replace(query=urlencode({**query, "dl": "1"})))
    if host == "drive.google.com":
        match = _DRIVE_FILE.fullmatch(parts.path)
        found = [match[1]] if match else parse_qs(parts.query).get("id", [])
        wanted = urlencode({"id": found[0], "export": "download", "confirm": "t"}) if found else ""
        return f"https://drive.usercontent.google.com/download?{wanted}" if wanted else url
    return url
