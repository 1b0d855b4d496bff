"""What the studies' Markdown tables share."""


def unique(rows, key):
    """What the rows have under a key, each once, in their order.

    >>> unique([{"a": 2}, {"a": 1}, {"a": 2}], "a")
    [2, 1]
    """
    return list(dict.fromkeys(row[key] for row in rows))


def head(cells):
    """The first two lines of a table: names, the first column to the left, the others to the right.

    >>> head(["picture", "PSNR"])
    ['| picture | PSNR |', '| --- | ---: |']
    """
    return [line(cells), "| --- |" + " ---: |" * (len(cells) - 1)]


def line(cells):
    """A line of a table.

    >>> line(["cat", "30.1"])
    '| cat | 30.1 |'
    """
    return f"| {' | '.join(cells)} |"
