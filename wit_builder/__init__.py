"""The pure core of wit-builder: one module a stage, no Beam, no torch."""

__version__ = "0.1.0"
