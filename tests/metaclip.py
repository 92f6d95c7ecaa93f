"""MetaCLIP's rule as it is published: the oracle of tests and the peer of benchmarks."""


def spacing(text: str) -> str:
    """MetaCLIP's published rule."""
    spaced = f" {text} "
    for mark in (",", ".", ";", ":", "?", "!", "`"):
        spaced = spaced.replace(mark, f" {mark} ")
    for blank in ("\t", "\n", "\r"):
        spaced = spaced.replace(blank, " ")
    return spaced
