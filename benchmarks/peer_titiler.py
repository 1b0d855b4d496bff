"""Tiles of an ordinary picture by rio-tiler, the reader of TiTiler: python peer_titiler.py PICTURE.tif PORT

For a Python that has titiler.core and uvicorn, see bench_serving.py. Tiles are those of the gateway: the picture in the
upper left corner of a square with its longer side.
"""

import importlib.metadata
import sys

import uvicorn
from fastapi import FastAPI, Response
from rio_tiler.io import ImageReader

PICTURE, PORT = sys.argv[1], int(sys.argv[2])
TILE = 256
app = FastAPI()


@app.get("/versions")
def versions():
    return {name: importlib.metadata.version(name) for name in ("titiler.core", "rio-tiler", "rasterio")}


@app.get("/tiles/{z}/{x}/{y}.png")
def tile(z: int, x: int, y: int):
    with ImageReader(PICTURE) as picture:
        side = max(picture.dataset.height, picture.dataset.width) / 2**z
        box = [x * side, (y + 1) * side, (x + 1) * side, y * side]
        part = picture.part(box, height=TILE, width=TILE, resampling_method="bilinear")
        return Response(part.render(img_format="PNG", zlevel=1), media_type="image/png")


if __name__ == "__main__":
    uvicorn.run(app, host="127.0.0.1", port=PORT, log_level="warning")
