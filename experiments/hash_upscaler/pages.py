"""Tables and figure of the study; nothing here fits anything."""

import matplotlib.figure

from experiments.tables import head, line, unique
from keras_inr._files import atomic_path

ENLARGED = 4
FILTERS = ("bicubic", "bilinear")


def output_table(rows, outputs):
    """What the source's outputs hold at the pictures' own size, and ours beside them, with what that took."""
    heads = ["picture", "the source's output", "beside bicubic, reduced likewise", "`cell_grid`, enlarged and reduced"]
    lines = head([*heads, "its steps until it passes", "seconds", "seconds of all its steps"])
    for output in outputs:
        own = ("pixels", output["picture"], "cell_grid")
        row = next(row for row in rows if (row["part"], row["picture"], row["method"]) == own)
        figures = [decibels(output[name]) for name in ("psnr_db", "psnr_bicubic_db", "ours_psnr_db")]
        passed = row["steps_to_published"]
        cost = ["-", "-"] if passed is None else [str(passed), f"{row['seconds_to_published']:.1f}"]
        lines.append(line([row["picture"], *figures, *cost, f"{row['train_seconds']:.0f}"]))
    return "\n".join(lines) + f"\n\nPSNR (dB) over all pixels. {made_with(rows)}\n"


def pixel_table(rows):
    """PSNR and SSIM of every method on the pixels that it was fitted to, a line for each picture."""
    rows = [row for row in rows if row["part"] == "pixels"]
    methods = unique(rows, "method")
    lines = head(["picture", "steps", *(f"`{method}`" for method in methods)])
    for picture in unique(rows, "picture"):
        found = {row["method"]: row for row in rows if row["picture"] == picture}
        first = found[methods[0]]
        cells = [f"{decibels(found[method]['psnr_db'])} / {found[method]['ssim']:.4f}" for method in methods]
        lines.append(line([f"{picture}, {first['width']} x {first['height']}", str(first["steps"]), *cells]))
    seconds = [sum(r["train_seconds"] for r in rows if r["method"] == method) for method in methods]
    lines.append(line(["seconds, all pictures", "", *(f"{number:.0f}" for number in seconds)]))
    return "\n".join(lines) + f"\n\nPSNR (dB) / SSIM over all pixels. {made_with(rows)}\n"


def enlargement_table(rows):
    """PSNR and SSIM of the enlargements, filters first; the best of each line in bold."""
    rows = [row for row in rows if row["part"] == "enlargement"]
    methods = unique(rows, "method")
    lines = head(["picture", *FILTERS, *(f"`{method}`" for method in methods)])
    for picture in unique(rows, "picture"):
        found = [row for row in rows if row["picture"] == picture]
        pairs = [(found[0][f"{name}_psnr_db"], found[0][f"{name}_ssim"]) for name in FILTERS]
        pairs += [(row["psnr_db"], row["ssim"]) for row in found]
        texts = [(decibels(psnr_db), f"{ssim:.4f}") for psnr_db, ssim in pairs]
        best = [max(column, key=float) for column in zip(*texts, strict=True)]
        cells = [" / ".join(bold(text, text == top) for text, top in zip(t, best, strict=True)) for t in texts]
        lines.append(line([picture, *cells]))
    fitted = [[r["psnr_fitted_db"] for r in rows if r["method"] == method] for method in methods]
    means = [f"{sum(numbers) / len(numbers):.1f}" for numbers in fitted]
    lines.append(line(["mean PSNR on the small picture", *("" for _ in FILTERS), *means]))
    return "\n".join(lines) + f"\n\nPSNR (dB) / SSIM against the original. {made_with(rows)}\n"


def rate_table(rows):
    """PSNR of every method at every learning rate, the best of each line in bold."""
    rates = unique(rows, "learning_rate")
    lines = head(["method", *(f"{rate:g}" for rate in rates)])
    for method in unique(rows, "method"):
        texts = [decibels(row["psnr_db"]) for row in rows if row["method"] == method]
        lines.append(line([f"`{method}`", *(bold(text, text == max(texts, key=float)) for text in texts)]))
    return "\n".join(lines) + f"\n\nPSNR (dB) over all pixels of {rows[0]['image']}. {made_with(rows)}\n"


def made_with(rows):
    """What the figures were made with."""
    first = rows[0]
    where = f"{first['device']}, TensorFlow {first['tensorflow']}"
    epochs = {epochs_of(row) for row in rows}
    length = f"{min(epochs)} epochs" if len(epochs) == 1 else f"{min(epochs)} to {max(epochs)} epochs"
    return f"{length} in steps of {first['points_per_step']} points, one seed ({first['seed']}); {where}."


def epochs_of(row):
    """How often a fit has drawn as many points as its picture has pixels."""
    pixels = row["height"] * row["width"] / (4 if row["part"] == "enlargement" else 1)
    return round(row["steps"] * row["points_per_step"] / pixels)


def decibels(psnr_db):
    """inf where a picture is exact."""
    return "inf" if psnr_db is None else f"{psnr_db:.2f}"


def bold(text, is_best):
    return f"**{text}**" if is_best else text


def draw(pictures, path):
    """A line for each picture: enlarged four times by bicubic interpolation, the source's output, ours; parts of them.

    Args:
        pictures: (name, three uint8 pictures, (top, left, side) of the part) of each.
        path: of the JPEG.
    """
    heights = [whole[0].shape[0] / whole[0].shape[1] for _, whole, _ in pictures]
    figure = matplotlib.figure.Figure(figsize=(15, 2.6 * sum(heights)), dpi=100, layout="constrained")
    grid = figure.subplots(len(pictures), 6, squeeze=False, height_ratios=heights)
    for line_of_axes, (name, whole, (top, left, side)) in zip(grid, pictures, strict=True):
        parts = [picture[top : top + side, left : left + side] for picture in whole]
        for axes, picture in zip(line_of_axes, [*whole, *parts], strict=True):
            axes.imshow(picture, interpolation="antialiased")
            axes.set(xticks=[], yticks=[], frame_on=False)
        line_of_axes[0].set_ylabel(name, fontsize=10)
    names = ["the picture, bicubic", "the source's output", "cell_grid"]
    for axes, title in zip(grid[0], [*names, *(f"{name}, a part" for name in names)], strict=True):
        axes.set_title(title, fontsize=10)
    with atomic_path(path) as temporary:
        figure.savefig(temporary, format="jpeg", pil_kwargs={"quality": 88})
