"""Stage 3: a network that learns the embedding from pseudo-labels by triplets, of tables or of images."""

from archetypal_triplet.triplets._augment import ImageAugmentation
from archetypal_triplet.triplets._encoders import make_mlp
from archetypal_triplet.triplets._estimator import TripletEmbedder
from archetypal_triplet.triplets._features import TorchFeatures
from archetypal_triplet.triplets._image_encoders import make_cnn

__all__ = ["ImageAugmentation", "TorchFeatures", "TripletEmbedder", "make_cnn", "make_mlp"]
