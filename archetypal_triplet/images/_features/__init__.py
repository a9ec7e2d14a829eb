"""The measurements behind `ImageFeatures`: a file for each group, and the list of groups."""
