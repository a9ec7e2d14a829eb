"""What a run says of itself: to a person, in lines, and of the packages that made it."""

import platform
from collections import Counter
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from archetypal_triplet.runs._flag_fields import flag_lines
from archetypal_triplet.runs._quality import quality_lines
from archetypal_triplet.runs._results import RUN_FILE

PACKAGES = ("archetypal-triplet", "numpy", "pandas", "pyarrow", "scikit-learn", "scipy", "skorch", "torch")


def find_versions():
    """Return the version of Python and of the packages that numbers depend on; None where there is none."""
    found = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = None
    return found


def summarize(result):
    """Return the lines that tell a person what a run has found and where it is."""
    info = result.info
    shown = display_path(result.folder)
    lines = ["", "Archetypes (mean share of all rows; most typical rows)"]
    telling = [c for c in ("Typical_Compound", "Typical_ControlType") if c in result.archetypes]
    # what is the same for most archetypes does not tell them apart
    telling = [c for c in telling if result.archetypes[c].nunique() > len(result.archetypes) / 2]
    described = telling[0] if telling else "Typical_Rows"
    for _, row in result.archetypes.iterrows():
        typical = row[described]
        if described == "Typical_Rows":  # five cells may well be of one field
            counts = Counter(typical.split("; "))
            typical = "; ".join(key if n == 1 else f"{key} ({n})" for key, n in counts.items())
        lines.append(f"  {row['Archetype']:<13}{100 * row['Mean_Share']:4.0f} %  {_cut(typical)}")
    if result.quality is not None:
        lines += ["", *quality_lines(result.quality)]
    flagged = flag_lines(info["flagged_fields"], len(result.embedding))
    lines += ["", *flagged] if flagged else []
    width = max(len(name) for name in info["files"])
    lines += ["", f"Results in {shown} ({info['seconds']['total']:.0f} s)"]
    lines += [f"  {name:<{width}}  {what}" for name, what in info["files"].items()]
    lines.append(f"  {RUN_FILE:<{width}}  parameters, versions, seed, timings, hash of the input, warnings")
    return "\n".join(lines)


def _cut(text, width=80):
    text = " ".join(text.split())  # a name of a compound may hold line breaks
    return text if len(text) <= width else text[: width - 4].rstrip() + " ..."


def display_path(folder):
    """Return a folder as a person would type it: relative to where they are, if it lies there."""
    try:
        return f"{folder.relative_to(Path.cwd())}/"
    except ValueError:
        return f"{folder}/"
