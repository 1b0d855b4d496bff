"""A static host for the tests of pages, and what they ask a page for."""

import contextlib
import functools
import http.server
import threading

EVALUATE = """async ([request, way]) => {
  const { evaluator } = await window.page;
  return Array.from(await evaluator.evaluate({ ...request, way }));
}"""


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *arguments):
        pass


@contextlib.contextmanager
def static_host(folder):
    """The address that Python's own http.server has for a folder while the context lasts."""
    handler = functools.partial(_Quiet, directory=str(folder))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def raster_request(field, scale, height, width, left=0, top=0):
    """(what the page is asked for, the box of `sample_grid`) of a raster whose pixels are 1 / scale of the picture's.

    It begins at a pixel (left, top) of the picture.
    """
    rows, columns = field.picture_size
    longer = max(rows, columns)
    points = max(1, round(1 / scale))
    x0, y0, step = (2 * left - columns) / longer, (2 * top - rows) / longer, 2 / longer / scale
    size = {"width": width, "height": height, "across": points, "down": points}
    box = (x0, y0, x0 + width * step, y0 + height * step)
    return {"x0": x0, "y0": y0, "step": step, **size}, box
