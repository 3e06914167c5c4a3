"""Converts a spaCy training config to ELMo: one component embeds, and the others listen to it."""
