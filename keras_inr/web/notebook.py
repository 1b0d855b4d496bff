"""A field as a notebook shows it: the page of `export_web` in one piece, and a PNG where scripts are not trusted."""

import base64
import functools
import html
import re
from typing import Any

from keras_inr.errors import InputError
from keras_inr.models.field import Field
from keras_inr.rendering.png import png_bytes
from keras_inr.web.export_web import PAGE, field_files

MODULES = ("field.js", "spline.js", "view.js", "webgl.js", "webgpu.js", "kernel.js", "cpu.js", "main.js")
"""In the order in which they need each other."""

MOST_BYTES = 2**22
"""Of the numbers of a field that a notebook is to hold once more for every time that it is shown."""

LONGEST_SIDE = 800
HEIGHT = 520


def mimebundle(field: Field) -> dict[str, Any]:
    """What `_repr_mimebundle_` gives: HTML with the page in a frame, a PNG, and the plain text.

    Where HTML is not trusted, a notebook takes the frame out of it and the picture behind it is seen. Fields without
    a picture are shown as text; those that no page can show, or that have more than 4 MB, as PNG alone.

    >>> from keras_inr.models import Siren
    >>> sorted(mimebundle(Siren(units=(8,), picture_size=(20, 30))))
    ['image/png', 'text/html', 'text/plain']
    >>> sorted(mimebundle(Siren(units=(8,))))
    ['text/plain']
    """
    bundle: dict[str, Any] = {"text/plain": repr(field)}
    if field.picture_size is None or field.num_fields is not None or field.channels > 4:
        return bundle
    height, width = field.picture_size
    shrunk = min(1, LONGEST_SIDE / max(height, width))
    size = (max(1, round(height * shrunk)), max(1, round(width * shrunk)))
    png = base64.b64encode(png_bytes(field.render(*size))).decode()
    bundle["image/png"] = png
    try:
        text, numbers = field_files(field, title=type(field).__name__)
    except InputError:
        return bundle
    if len(numbers) <= MOST_BYTES:
        bundle["text/html"] = _framed(one_file(text, numbers), png)
    return bundle


def one_file(text: str, numbers: bytes) -> str:
    """The page as one HTML file, with a field's JSON and numbers in it."""
    page = (PAGE / "index.html").read_text()
    page = re.sub(r'<link rel="(modulepreload|preload)"[^>]*>\n', "", page)
    page = page.replace(
        '<link rel="stylesheet" href="page.css">', f"<style>\n{(PAGE / 'page.css').read_text()}</style>"
    )
    safe = text.replace("</", r"<\/")  # which would end the script
    data = [
        f'<script type="application/json" id="embedded-field">{safe}</script>',
        f'<script type="text/plain" id="embedded-numbers">{base64.b64encode(numbers).decode()}</script>',
        f'<script type="module">\n{_joined_modules()}</script>',
    ]
    return page.replace('<script type="module" src="main.js"></script>', "\n".join(data))


@functools.cache
def _joined_modules() -> str:
    """All modules as one: each in a function of its own, that returns what it exports."""
    joined = []
    for name in MODULES:
        code = (PAGE / name).read_text()
        exported = ", ".join(re.findall(r"^export (?:async )?(?:class|const|function) (\w+)", code, re.MULTILINE))
        code = re.sub(r'^import (\{.*?\}) from "\./(\w+)\.js";$', r"const \1 = \2_module;", code, flags=re.MULTILINE)
        code = re.sub(r'import\("\./(\w+)\.js"\)', r"Promise.resolve(\1_module)", code)
        code = re.sub(r"^export ", "", code, flags=re.MULTILINE)
        stem = name.removesuffix(".js")
        joined.append(f"const {stem}_module = (() => {{\n{code}\nreturn {{ {exported} }};\n}})();\n")
    return "".join(joined)


def _framed(page: str, png: str) -> str:
    """A picture, and over it a frame with the page, which a notebook that trusts nothing leaves out."""
    style = "position:absolute;inset:0;width:100%;height:100%;border:0"
    return (
        f'<div style="position:relative;height:{HEIGHT}px;overflow:hidden">'
        f'<img src="data:image/png;base64,{png}" style="max-width:100%;max-height:100%" alt="the field as a picture">'
        f'<iframe srcdoc="{html.escape(page)}" style="{style}" title="a field"></iframe></div>'
    )
