# SPDX-License-Identifier: BSL-1.0
"""Which of many combinations are tried.

A defect that takes one compiler, or one compiler with one linker, shows in any cell that has them; that it takes four
factors together has not been seen here. So a matrix keeps as many cells as it needs to have every two values (or every
three, or those of chosen columns) together that can be together at all, not every combination.
"""

from itertools import combinations
from math import comb


def cover(rows: list, strength: int = 2, columns: tuple = ()) -> list:
    """Some of `rows`, tuples of one length: any `strength` values that stand together in a row stand together in one
    that is kept, and so do the values of each tuple of column numbers in `columns`. The same ones each time. Takes the
    rows first that bring the most."""
    def groups(row):
        return {*combinations(enumerate(row), strength), *(tuple((i, row[i]) for i in chosen) for chosen in columns)}

    missing, kept = set().union(*map(groups, rows)), []
    for least in range(comb(len(rows[0]), strength) + len(columns) if rows else 0, 0, -1):
        for row in rows:
            brought = groups(row) & missing
            if len(brought) >= least:
                kept.append(row)
                missing -= brought
    return kept
