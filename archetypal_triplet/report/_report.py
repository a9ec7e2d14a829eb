"""write_report: a results folder in, one stand-alone page with its figures and tables out."""


def write_report(
    results,
    *,
    out=None,
    force=False,
    tags=None,
    max_points=20000,
    thumbnails="auto",
    title=None,
    random_state=0,
    verbose=0,
):
    """Write the report of a run."""
    raise NotImplementedError
