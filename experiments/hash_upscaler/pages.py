"""Tables and figure of the study; nothing here fits anything."""

import matplotlib.figure

ENLARGED = 4
FILTERS = ("bicubic", "bilinear")


def pixel_table(rows):
    """PSNR and SSIM of every method on the pixels that it was fitted to, a line for each picture."""
    rows = [row for row in rows if row["part"] == "pixels"]
    methods = unique(rows, "method")
    lines = head(["picture", "epochs", *(f"`{method}`" for method in methods)])
    for picture in unique(rows, "picture"):
        found = {row["method"]: row for row in rows if row["picture"] == picture}
        first = found[methods[0]]
        cells = [f"{decibels(found[method]['psnr_db'])} / {found[method]['ssim']:.4f}" for method in methods]
        lines.append(line([f"{picture}, {first['width']} x {first['height']}", f"{first['epochs']:.0f}", *cells]))
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
    return f"{first['steps']} steps of {first['points_per_step']} points, one seed ({first['seed']}); {where}."


def unique(rows, key):
    return list(dict.fromkeys(row[key] for row in rows))


def head(cells):
    return [line(cells), "| --- |" + " ---: |" * (len(cells) - 1)]


def line(cells):
    return f"| {' | '.join(cells)} |"


def decibels(psnr_db):
    """inf where a picture is exact."""
    return "inf" if psnr_db is None else f"{psnr_db:.2f}"


def bold(text, is_best):
    return f"**{text}**" if is_best else text


def draw(original, bicubic, fields, path):
    """Original and reconstructions; then a part, four times as large, by bicubic interpolation and by each field.

    Args:
        original, bicubic: uint8 pictures.
        fields: (method, PSNR, reconstruction, enlarged part) of each method.
    """
    panels = [("original\n", original)]
    panels += [(f"{method}\n{decibels(psnr_db)} dB", whole) for method, psnr_db, whole, _ in fields]
    panels += [(f"bicubic, {ENLARGED} x", bicubic)]
    panels += [(f"{method}, {ENLARGED} x", part) for method, _, _, part in fields]
    columns = len(fields) + 1
    figure = matplotlib.figure.Figure(figsize=(2.6 * columns, 5.2), dpi=90, layout="constrained")
    for axes, (title, picture) in zip(figure.subplots(2, columns).flat, panels, strict=True):
        axes.set_title(title, fontsize=10)
        axes.imshow(picture, interpolation="antialiased")
        axes.set_axis_off()
    figure.savefig(path)
