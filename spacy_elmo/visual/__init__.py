"""Pictures of vectors in the manner of displaCy: `render` in a notebook, `serve` in a browser, `save` to a file.

Styles: "neighbours" (choose a token, see the nearest ones in their sentences), "similarity" (a table of cosines of
one or two texts), "map" (all uses of a word in two dimensions), "layers" (which layers the components of a trained
pipeline read), "drift" (how far each token moves from layer to layer).

Each picture is HTML that needs no network and no other file.
"""

from .figures import STYLES
from .rendering import render, save, serve

__all__ = ["STYLES", "render", "save", "serve"]
