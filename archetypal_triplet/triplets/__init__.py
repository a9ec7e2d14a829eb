"""Stage 3: a network that learns the embedding from pseudo-labels by triplets."""

from archetypal_triplet.triplets._estimator import TripletEmbedder

__all__ = ["TripletEmbedder"]
