"""Contrastive training and evaluation of open_clip models on WebDataset shards."""
