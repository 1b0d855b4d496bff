"""The figure of docs/learn: one photograph by SIRENs of several omega_0, and the same enlarged.

From the root of the repository: python docs/figures.py
"""

import pathlib
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

import matplotlib.figure

import keras_inr

OMEGAS = (1.0, 10.0, 30.0, 100.0)
BOX = (-0.4, -0.35, 0.1, -0.02)
STEPS = 400


def main():
    signal = keras_inr.load_image("sample:chelsea", size=160)
    figure = matplotlib.figure.Figure(figsize=(12, 5.6), layout="constrained")
    above, below = figure.subplots(2, len(OMEGAS))
    for top, bottom, omega_0 in zip(above, below, OMEGAS, strict=True):
        field = keras_inr.from_preset("siren_paper", omega_0=omega_0, channels=3, seed=0)
        result = keras_inr.fit(field, signal, steps=STEPS, learning_rate=1e-3, progress=False)
        top.imshow(field.render(*signal.size))
        top.set_title(f"omega_0 = {omega_0:g}: {result.psnr_db:.1f} dB")
        bottom.imshow(field.render(264, 400, box=BOX, between="field"))
        top.axis("off")
        bottom.axis("off")
        print(f"omega_0 {omega_0:g}: {result.psnr_db:.2f} dB")
    figure.savefig(ROOT / "docs" / "learn" / "omega_0.png", dpi=80)


if __name__ == "__main__":
    main()
