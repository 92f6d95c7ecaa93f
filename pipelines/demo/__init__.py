"""`make demo`: the whole road on real pictures, served by three local web sites."""
