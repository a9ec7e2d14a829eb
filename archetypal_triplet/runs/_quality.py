"""Control separability of a run, with what must be said beside it."""


def compute_quality(plan, embedding, components, groups):
    raise NotImplementedError


def quality_lines(quality):
    return []
