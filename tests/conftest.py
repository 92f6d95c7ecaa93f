"""Settings of all tests, and what they share."""

from hypothesis import settings

from tests.wordnet import wordnet, wordnet_folder

__all__ = ["wordnet", "wordnet_folder"]

settings.register_profile("repeatable", deadline=None, derandomize=True)
settings.load_profile("repeatable")
