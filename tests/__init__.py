"""A package: Flair installs one of this name, which would be imported instead."""
