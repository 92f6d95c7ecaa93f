"""Shim: Beam ships the package to workers with --setup_file."""

__import__("setuptools").setup()
