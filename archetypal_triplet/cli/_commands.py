"""What each command does: call `archetypal_triplet.runs` or the report, and print what it found."""

import sys

# one that is left out is None, and `runs` knows its default
IMAGE_OPTIONS = (
    "pattern", "channels", "plate_map", "plate_name", "nucleus_channel", "crop_size", "cell_labels", "embed",
    "on_error", "jobs", "work", "keep", "fresh", "hash_content", "root", "pages", "z", "timepoint",
)  # fmt: skip
RUN_OPTIONS = (
    "plate", "controls", "positive_controls", "groups", "n_archetypes", "features", "color", "out", "force",
    "device", "flag_fields", "hold_out",
)  # fmt: skip
QC_OPTIONS = (
    "controls", "positive_controls", "plate", "well", "replicates", "batch", "order", "tags", "fail_below",
    "out", "force",
)  # fmt: skip
REPORT_OPTIONS = ("out", "title", "tags", "max_points", "thumbnails", "force")


def _take(arguments, names):
    return {name: getattr(arguments, name) for name in names}


def _run(arguments):
    from archetypal_triplet import runs

    options = _take(arguments, RUN_OPTIONS)
    options["random_state"] = arguments.seed
    options["progress"] = not arguments.quiet
    given = {name: value for name, value in _take(arguments, IMAGE_OPTIONS).items() if value is not None}
    if runs.are_images(arguments.source):
        source, plan, run = arguments.source[0], runs.plan_images, runs.run_images
        if arguments.on_nonfinite is not None:
            raise ValueError("--on-nonfinite is for tables: the features of images are finite.")
        options["level"] = arguments.level
        options["n_jobs"] = given.pop("jobs", -1)
        places = {"root": "root", "pages": "pages", "z": "z", "t": "timepoint"}
        options["layout_options"] = {name: given.pop(option, None) for name, option in places.items()}
        options |= given
        arguments.stages_kept = True
    else:
        source, plan, run = arguments.source, runs.plan_run, runs.run_profiles
        if given:
            first = next(iter(given)).replace("_", "-")
            raise ValueError(f"--{first} is for images, and {source[0]} is a table of profiles.")
        options["level"] = arguments.level or "well"
        options["on_nonfinite"] = arguments.on_nonfinite or "raise"
    if arguments.dry_run:
        print("\n".join([*plan(source, **options).lines(), "Dry run: nothing was written."]))
        return 0
    result = run(source, **options)
    if not arguments.quiet:
        print(result.summary)
    return _report_after_run(result.folder, arguments)


def _embed(arguments):
    from archetypal_triplet import runs

    embedding = runs.embed_profiles(
        arguments.model, arguments.table, out=arguments.out, force=arguments.force
    )
    if not arguments.quiet:
        print(f"Embedded {len(embedding)} rows: {arguments.out}")


def _qc(arguments):
    from archetypal_triplet import runs

    options = _take(arguments, QC_OPTIONS)
    result = runs.assess_run(arguments.results, **options, random_state=arguments.seed)
    if not arguments.quiet:
        print(result.summary)
    for failure in result.failures:
        print(f"archetypal-triplet: below the limit: {failure}", file=sys.stderr)
    return 1 if result.failures else 0


def _report(arguments):
    from archetypal_triplet.report import write_report
    from archetypal_triplet.report._after_run import describe_report

    options = _take(arguments, REPORT_OPTIONS)
    options |= {"random_state": arguments.seed, "verbose": int(arguments.verbose)}
    result = write_report(arguments.results, **options)
    if not arguments.quiet:
        print(describe_report(result))


def _report_after_run(folder, arguments):
    from archetypal_triplet.report._after_run import report_after_run

    try:
        line = "" if arguments.no_report else report_after_run(folder, random_state=arguments.seed)
    except KeyboardInterrupt:
        print(f"\nInterrupted: no report was written. The results are complete: {folder}", file=sys.stderr)
        return 130
    if line and not arguments.quiet:
        print(line)
    return 0


def _demo(arguments):
    from archetypal_triplet import runs

    result = runs.run_demo(
        arguments.out,
        size=arguments.size,
        force=arguments.force,
        device=arguments.device,
        random_state=arguments.seed,
        progress=not arguments.quiet,
    )
    if not arguments.quiet:
        print(result.summary)
    return _report_after_run(result.folder, arguments)


# by the name that a person types; each returns its exit code, or None for 0
COMMANDS = {"run": _run, "embed": _embed, "qc": _qc, "report": _report, "demo": _demo}
