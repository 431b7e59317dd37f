"""The hits of a search in the terminal, and what `index` did in a sentence."""

from rich.table import Table

from avmatch.core.library import IndexResult, SearchResult
from avmatch.reports.wording import percent, shown


def hit_table(result: SearchResult) -> Table:
    """One row a hit."""
    num = len(result.hits)
    table = Table(caption=f"{num} of {result.num_windows} windows", caption_justify="left")
    for heading in ("", "begins at", "score", "confidence"):
        table.add_column(heading, justify="right", no_wrap=True)
    for heading in ("path", "kind", "why"):
        table.add_column(heading, overflow="fold")
    for hit in result.hits:
        numbers = (str(hit.rank), f"{hit.start_seconds:+.3f} s", f"{hit.score:.1f}", percent(hit.confidence))
        table.add_row(*numbers, shown(hit.path), hit.kind, hit.why)
    return table


def index_sentence(result: IndexResult) -> str:
    """What a run did, and what there is now."""
    done = [
        f"{num} {what}"
        for num, what in (
            (result.added, "added"),
            (result.known, "moved, copied or touched"),
            (result.dropped, "gone"),
            (len(result.failures), "can't be used"),
        )
        if num
    ]
    hours = result.seconds / 3600
    return f"{', '.join(done) or 'nothing new'}; the index holds {result.files} files ({hours:.2f} hours)"
