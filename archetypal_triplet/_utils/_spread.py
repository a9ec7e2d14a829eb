"""How robust spreads are compared with standard deviations."""

# a median absolute deviation times this is the standard deviation, of a normal distribution
MAD_TO_SD = 1.4826
