"""Messages of the server: requests that cannot be answered, and why it does not start."""

from .classes import WithCodes


class ServerErrors(metaclass=WithCodes):
    EL340 = "The request has {got}, but {limit} are allowed. Send the text in parts."
    EL341 = "The body is not valid JSON ({reason}). Send an object in UTF-8, such as {example}."
    EL342 = "The body is of the type {got}; allowed: application/json in UTF-8. Set the header Content-Type."
    EL343 = "{field} is not a field of this request; allowed: {allowed}. Remove it, or correct its name."
    EL344 = "The request has {got} of 'text' and 'tokens'. Give one of them."
    EL345 = "'{field}' is {got}; allowed: {allowed}."
    EL346 = (
        "'text' has half a character at position {place} ({char}, a surrogate without its other half), which "
        "spaCy does not accept. Remove it, or give 'tokens'."
    )
    EL347 = (
        "The request is for the host {got}; allowed: {allowed}. The server is open to this computer alone. Use "
        "one of these names; a proxy must set the header Host. To serve others: spacy-elmo serve --host 0.0.0.0"
    )
    EL348 = "{n:,} requests are in work or wait, and no more are accepted. Try again in {seconds} seconds."
    EL349 = "The body did not arrive within {seconds} seconds. Send it faster, or in smaller requests."
    EL350 = "There is no {path}. The page is at /, and the API at /api/model and /api/embed."
    EL351 = "The method {got} is not allowed for {path}; allowed: {allowed}."
    EL352 = "The server failed on this request, and has logged why. Read its standard error, and report it."
    EL353 = (
        '`spacy-elmo serve` requires the package {package}. Install it: pip install -c constraints.txt ".[server]"'
    )
    EL354 = (
        "Cannot listen on port {port} of {host} ({reason}). Give another port, such as --port {other}, or "
        "--port 0 for any free one."
    )
    EL355 = (
        "Cannot listen on the host '{host}' ({reason}). Give 127.0.0.1, for this computer alone, or an address of "
        "this computer, such as 0.0.0.0 for all of them: --host."
    )
    EL356 = (
        "The pipeline '{name}' has no elmo_embedder; its components are: {components}. Give one that has; a model "
        "by itself is served with --source."
    )
    EL357 = (
        "'{name}' has initial_state = 'carry': its vectors would depend on the requests before, which may be of "
        "other people. Set initial_state = 'zero' or 'warm'."
    )
    EL359 = (
        "A word of the text has {n:,} characters without a space ({start}...), but {limit} are allowed: spaCy's "
        "tokenizer takes very long for longer ones. Put spaces into it, or give 'tokens'."
    )
    EL358 = "The server is stopping, and accepts no more requests. Try again when it has been started again."
