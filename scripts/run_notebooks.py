"""Runs notebooks and saves them with their outputs, in a form that only the outputs change.

    python scripts/run_notebooks.py                         # all of notebooks/
    python scripts/run_notebooks.py notebooks/MNIST.ipynb

Needs the extra `notebook`; notebooks/MNIST.ipynb also `lstm`, to have all of its numbers.
"""

import base64
import io
import sys
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from PIL import Image

NOTEBOOKS = Path(__file__).parent.parent / "notebooks"

METADATA = {
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}


def main(paths):
    for path in map(Path, paths or sorted(NOTEBOOKS.glob("*.ipynb"))):
        notebook = nbformat.read(path, as_version=4)
        NotebookClient(
            notebook,
            timeout=None,
            kernel_name="python3",
            coalesce_streams=True,
            record_timing=False,
            resources={"metadata": {"path": str(path.parent)}},
        ).execute()
        normalize(notebook)
        text = nbformat.writes(notebook) + "\n"
        for place in {str(Path.cwd()), str(Path.home()), str(path.parent.resolve()), sys.prefix}:
            if len(place) > 1 and place in text:
                raise SystemExit(f"{path}: an output names {place}, which no other machine has")
        path.write_text(text)
        print(f"{path}: {len(text):,} bytes")


def normalize(notebook):
    """Takes out what tells of the machine and the run, and makes pictures small."""
    notebook.metadata = nbformat.from_dict(METADATA)
    notebook.nbformat_minor = 5
    for number, cell in enumerate(notebook.cells):
        cell.id = f"cell-{number}"
        cell.metadata = nbformat.from_dict({})
        for output in cell.get("outputs", []):
            if "metadata" in output:
                output.metadata = nbformat.from_dict({})
            if "image/png" in output.get("data", {}):
                output.data["image/png"] = quantized(output.data["image/png"])
    nbformat.validate(notebook)


def quantized(png):
    """A PNG, as base64, with at most 256 colours on white."""
    picture = Image.open(io.BytesIO(base64.b64decode(png))).convert("RGBA")
    ground = Image.new("RGBA", picture.size, "white")
    picture = Image.alpha_composite(ground, picture).convert("RGB")
    file = io.BytesIO()
    picture.quantize(256).save(file, "PNG", optimize=True)
    return base64.b64encode(file.getvalue()).decode()


if __name__ == "__main__":
    main(sys.argv[1:])
