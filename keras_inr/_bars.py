"""Progress bars: a line that is kept up to date in a terminal, a widget in a notebook, and nothing elsewhere."""

import importlib.util
import sys
from typing import Any

import tqdm


def in_notebook() -> bool:
    """Whether this process is the kernel of a notebook."""
    module = sys.modules.get("IPython")
    shell = None if module is None else module.get_ipython()
    return shell is not None and "IPKernelApp" in shell.config


def is_live() -> bool:
    """Whether somebody sees a bar while it moves: in a terminal, and in a notebook."""
    return sys.stderr.isatty() or in_notebook()


def progress_bar(live: bool, **options: Any) -> Any:
    """A bar of tqdm, on standard error or as the notebook's widget; one that shows nothing unless it is live."""
    if live and in_notebook() and importlib.util.find_spec("ipywidgets") is not None:
        from tqdm import auto  # not above: it warns where there is no widget

        return auto.tqdm(**options)
    return tqdm.tqdm(dynamic_ncols=live, disable=not live, **options)
