"""What pages are put together from: templates, the files in ``static``, and data for their scripts."""

import json
from importlib.resources import files

from archetypal_triplet._utils._optional import import_optional

_PACKAGE = "archetypal_triplet.report"


def render(template, **context):
    """Fill in a template.

    Parameters
    ----------
    template : str
        Its name in the folder ``templates``.
    **context : object
        What it speaks of, all of it; text is escaped.

    Returns
    -------
    str
        HTML.
    """
    jinja2 = import_optional("jinja2", extra="report")
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader(_PACKAGE),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template(template).render(**context)


def read_static(name):
    """Return the text of a script or style in the folder ``static``."""
    return files(_PACKAGE).joinpath("static", name).read_text("utf-8")


def to_script(payload):
    """Return JSON that is safe within ``<script type="application/json">``, whatever the data hold."""
    text = json.dumps(payload, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    for character in "<>&\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return import_optional("markupsafe", extra="report").Markup(text)
