"""What the studies in experiments/ write: JSON, and tables inside of pages."""

from keras_inr.files import atomic_path
from keras_inr.runs import run_folder


def write_json(path, content):
    """Writes strict JSON at once or not at all, its folder too."""
    path.parent.mkdir(parents=True, exist_ok=True)
    run_folder.write_json(path, content)


def put_between(path, marker, text):
    """Replaces what stands between two lines that are the marker, in a file."""
    before, _, after = path.read_text().split(f"{marker}\n")
    with atomic_path(path) as temporary:
        temporary.write_text(f"{before}{marker}\n{text}{marker}\n{after}")
