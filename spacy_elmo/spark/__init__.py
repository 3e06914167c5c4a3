"""Stages for Spark: ELMo in place of Spark NLP's `ElmoEmbeddings`, and what splits text for it."""
