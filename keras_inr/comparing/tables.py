"""A comparison as tables: Markdown for a page, LaTeX for a paper."""

from collections.abc import Sequence

from keras_inr.comparing.statistics import Summary

HEADS: tuple[str, ...] = ("network", "weights", "kB", "by", "steps", "seconds", "PSNR (dB)")
HEADS += ("SSIM", "MS-SSIM", "LPIPS", "against the best (dB)")
BEST = HEADS.index("PSNR (dB)")


def cells(summary: Summary, wide: str = "±", dash: str = "–") -> list[str]:
    """The texts of a line.

    Args:
        summary: of the variant.
        wide: the sign of a spread.
        dash: what stands between two numbers.
    """
    means = summary.means
    spread = "" if summary.seeds_db is None else f" {wide} {summary.seeds_db:.2f}"
    failed = f" ({summary.failed} failed)" if summary.failed else ""
    behind = summary.behind
    interval = "" if behind is None or behind.low is None else f" [{behind.low:+.2f}, {behind.high:+.2f}]"
    kinds = "" if behind is None else f", ahead in {behind.wins} of {behind.pairs}"
    return [
        summary.variant,
        number(means["num_parameters"], ",.0f", dash),
        number(None if means["model_bytes"] is None else means["model_bytes"] / 1000, ",.0f", dash),
        summary.by,
        number(means["steps"], ".0f", dash),
        number(means["train_seconds"], ".1f", dash),
        f"{summary.psnr_db:.2f}{spread}{failed}",
        number(means["ssim"], ".4f", dash),
        number(means["ms_ssim"], ".4f", dash),
        number(means["lpips"], ".4f", dash),
        "" if behind is None else f"{behind.mean:+.2f}{interval}{kinds}",
    ]


def number(value: float | None, form: str, dash: str) -> str:
    """A number as text, or a dash.

    >>> number(1234.5, ",.0f", "-"), number(None, ".2f", "-")
    ('1,234', '-')
    """
    return dash if value is None else format(value, form)


def columns(summaries: Sequence[Summary]) -> list[int]:
    """Places of the columns that there is anything in."""
    empty = {"LPIPS": "lpips", "SSIM": "ssim", "MS-SSIM": "ms_ssim"}
    unused = [head for head, name in empty.items() if all(each.means[name] is None for each in summaries)]
    if len(summaries) == 1:
        unused.append(HEADS[-1])
    return [place for place, head in enumerate(HEADS) if head not in unused]


def markdown(summaries: Sequence[Summary], note: str) -> str:
    """A table of Markdown, best network first, and a line about how it was made."""
    shown = columns(summaries)
    lines = [[HEADS[place] for place in shown], ["---" if place == 0 else "---:" for place in shown]]
    for place_of_line, summary in enumerate(summaries):
        texts = cells(summary)
        texts[0] = f"`{texts[0]}`"
        if place_of_line == 0:
            texts[BEST] = f"**{texts[BEST]}**"
        lines.append([texts[place] for place in shown])
    table = "\n".join(f"| {' | '.join(line)} |" for line in lines)
    return f"{table}\n\n{note}\n"


def latex(summaries: Sequence[Summary], note: str) -> str:
    r"""A LaTeX table for the package booktabs, its caption the line about how it was made."""
    shown = columns(summaries)
    lines = [" & ".join(escaped(HEADS[place]) for place in shown)]
    for place_of_line, summary in enumerate(summaries):
        texts = [escaped(text) for text in cells(summary, "±", "--")]
        if place_of_line == 0:
            texts[BEST] = rf"\textbf{{{texts[BEST]}}}"
        lines.append(" & ".join(texts[place] for place in shown))
    head, *rows = (f"{line} \\\\" for line in lines)
    body = "\n".join(rows)
    form = "l" + "r" * (len(shown) - 1)
    return (
        "% \\usepackage{booktabs}\n"
        f"\\begin{{table}}\n\\centering\n\\begin{{tabular}}{{{form}}}\n\\toprule\n{head}\n\\midrule\n{body}\n"
        f"\\bottomrule\n\\end{{tabular}}\n\\caption{{{escaped(note)}}}\n\\end{{table}}\n"
    )


SPECIAL = {"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "±": r"$\pm$"}
SPECIAL |= {sign: f"\\{sign}" for sign in "&%$#_{}"}


def escaped(text: str) -> str:
    r"""Text as LaTeX has it.

    >>> escaped("siren_256: 90 %")
    'siren\\_256: 90 \\%'
    """
    return "".join(SPECIAL.get(sign, sign) for sign in text)
