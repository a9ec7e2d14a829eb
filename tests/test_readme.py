"""The README's code runs as it stands there, top to bottom, but for shorter training."""

import re
import warnings
from pathlib import Path

from archetypal_triplet import ArchetypalAnalysis, TripletEmbedder, make_archetypal_triplet
from archetypal_triplet._utils._exceptions import DataWarning

README = (Path(__file__).resolve().parent.parent / "README.md").read_text()
BLOCKS = re.findall(r"^```python\n(.*?)^```", README, flags=re.M | re.S)
N_STEPS = 5


def shortened(code):
    """Less training, and a smaller screen, so that the whole takes seconds."""
    for name in ("make_archetypal_triplet", "TripletEmbedder"):
        code = re.sub(rf"\b{name}\((?=[\w\s])", f"{name}(max_steps={N_STEPS}, device='cpu', ", code)
    return code.replace("make_screen(", "make_screen(plate_format=96, n_features=60, ")


def test_the_readme_opens_with_the_whole_method():
    assert "make_archetypal_triplet(" in BLOCKS[0]


def test_the_readmes_code_runs():
    names = {}
    with warnings.catch_warnings():
        # so small a screen has labels with a single well
        warnings.simplefilter("ignore", DataWarning)
        for block in BLOCKS:
            exec(compile(shortened(block), "README.md", "exec"), names)
    assert names["embedding"].shape == (len(names["screen"].profiles), 32)
    assert type(names["pipe"]["embed"]) is TripletEmbedder
    assert names["pipe"]["embed"].n_steps_ == N_STEPS
    assert names["inline"]["archetypes"].coefficients_.shape[1] == 8


def test_the_readmes_command_lines_are_understood():
    from archetypal_triplet.cli._arguments import make_parser

    commands = re.findall(r"^    (archetypal-triplet (?:.*\\\n)*.*)$", README, flags=re.M)
    assert len(commands) == 4
    import shlex

    for command in commands:
        arguments = shlex.split(command.replace("\\\n", " "))[1:]
        assert make_parser().parse_args(arguments).out


def test_the_number_of_archetypes_is_searched_where_the_readme_says():
    assert "n_archetypes" in ArchetypalAnalysis().get_params()
    key = "embed__labeler__archetypes__n_archetypes"
    assert key in README
    assert key in make_archetypal_triplet(4).get_params()


def test_the_readme_opens_with_a_picture_of_the_report():
    picture = re.search(r"!\[([^]]+)\]\(([^)]+)\)", README)
    assert picture.start() < README.index("```python")
    assert len(picture[1]) > 60, "what the picture shows, for those who do not see it"
    file = Path(__file__).resolve().parent.parent / picture[2]
    assert file.read_bytes().startswith(b"\x89PNG")
