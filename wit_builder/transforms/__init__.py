"""The Beam half of each stage: PTransforms that only wire."""
