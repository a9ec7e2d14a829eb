"""What spreads are compared with."""

# a median absolute deviation times this is the standard deviation, of a normal distribution
MAD_TO_SD = 1.4826
# below this spread (1 at most) an embedding whose loss is that of a single point counts as collapsed
COLLAPSED_SPREAD = 0.2
