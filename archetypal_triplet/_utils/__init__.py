"""What two or more rooms of the package need: column names, frames, optional imports, threads, warnings."""
