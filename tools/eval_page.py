#!/usr/bin/env python3
"""eval_page.py [--update] PAGE FOLDER: the measured tables of FOLDER (*.md) against those in PAGE.

A table stands between `<!-- measured: NAME -->` and `<!-- /measured -->` and is FOLDER/NAME.md. Without --update a
table that differs is named and the exit status is 1; one that was not measured this time is left alone.
"""

import pathlib
import re
import sys

BLOCK = re.compile(r"(<!-- measured: (\w+) -->\n)(.*?)(<!-- /measured -->)", re.S)


def main():
    update = "--update" in sys.argv
    page, folder = (pathlib.Path(a) for a in sys.argv[1:] if a != "--update")
    text = page.read_text()
    stale = []

    def fill(block):
        source = folder / (block[2] + ".md")
        if not source.exists():
            return block[0]
        measured = "\n" + source.read_text().strip() + "\n\n"
        if measured != block[3]:
            stale.append(block[2])
        return block[1] + measured + block[4]

    filled = BLOCK.sub(fill, text)
    if update:
        page.write_text(filled)
    elif stale:
        print(f"{page}: other figures than were measured now: {', '.join(stale)}; ./dev eval --update", file=sys.stderr)
        return 1
    return 0


sys.exit(main())
