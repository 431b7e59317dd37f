"""A library of a million windows: what its store costs, and beside it other stores.

    python benchmarks/search_scale.py WORK --from INDEX --clips CLIPS [--windows 100000 300000 1000000] [--queries 50]
    python benchmarks/search_scale.py WORK --from INDEX --clips CLIPS --stores usearch faiss lancedb --windows 200000

INDEX is one that `avmatch index` made. Its windows are real; the rest are drawn as mixtures of two of them of the same
library, with a little noise, so that neighbourhoods stay as they are. Vectors of a million are written into a library
of contents with five windows each; the second stage reads the features of the real ones, over and over, which stand
for those of the simulated ones with the same remainder.

INDEX may hold sounds, and CLIPS silent clips, or the other way round.

Without --stores: build time, bytes a window, how long the first stage and the whole query take (from the features of
the clip on), and the recall of the first stage, which is exact; of several sizes the exponents with which build, size
and first stage grow, and what they say of ten million. With --stores: the same vectors in others, which search by an
inner product that stands for the evidence: each part scaled by the root of its worth, the logarithm of a product of
probabilities replaced by its bound Σ sound · log picture. Their recall is that of the twenty that are best by that
product, and of the twenty that are best by the evidence, among their first 300.
"""

from __future__ import annotations

import argparse
import resource
import shutil
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from avmatch.alignment.cuts import joined_audio, joined_video, moved_audio, moved_video
from avmatch.data.inputs import list_audio, list_videos
from avmatch.index.library import Library
from avmatch.index.rows import write_rows
from avmatch.pipelines.pooled import Features, row_of, stretch
from avmatch.pipelines.pooled import end_seconds as end_seconds_of
from avmatch.pipelines.searcher import LISTED, Searcher

PER_CONTENT, NOISE, MIXED = 5, 0.05, 0.3


def simulated(rows: np.ndarray, num: int, numbers: int, rng: np.random.Generator) -> np.ndarray:
    """Rows like these; marks and what follows them stay those of the first."""
    first, second = rng.integers(0, len(rows), (2, num))
    made = rows[first].copy()
    share = rng.uniform(0.0, MIXED, (num, 1)).astype(np.float32)
    made[:, :numbers] = (1 - share) * made[:, :numbers] + share * rows[second][:, :numbers]
    deviation = NOISE * rows[:, :numbers].std(axis=0)
    made[:, :numbers] = np.maximum(
        made[:, :numbers] + deviation * rng.standard_normal((num, numbers)).astype(np.float32),
        np.where(rows[:, :numbers].min(axis=0) >= 0, 0.0, -np.inf),
    )
    return made


class Repeated(Searcher):
    """A searcher that takes the features of a real content, over and over, for those of a simulated one."""

    source: Searcher
    num_real: int

    def _read(self, content: int, begin_seconds: float, end_seconds: float):
        real = self.source._read(1 + content % self.num_real, 0.0, 10.0)
        moved, joined = (moved_audio, joined_audio) if self.holds_sounds else (moved_video, joined_video)
        length = end_seconds_of(real)
        first = begin_seconds // length
        num = int(np.ceil((end_seconds - first * length) / length))
        return stretch(
            joined([moved(real, (first + place) * length) for place in range(num)]), begin_seconds, end_seconds
        )


def built(folder: Path, source: Searcher, num: int) -> float:
    """Make the library; returns seconds."""
    rng, rows = np.random.default_rng(0), np.concatenate([block.vectors for block in source.rows])
    numbers = source.by.rows._num_numbers
    start = time.perf_counter()
    with Library(folder, writes=True) as store:
        names = ("side", "model", "fingerprint", "width")
        store.set(**{name: store_setting for name in names if (store_setting := source.store.setting(name))})
        for begin in range(0, num, 50_000):
            made = simulated(rows, min(50_000, num - begin), numbers, rng)
            with store.transaction() as connection:
                for place in range(0, len(made), PER_CONTENT):
                    own = made[place : place + PER_CONTENT]
                    name = f"{begin + place}"
                    seconds = 10.0 + 5.0 * (len(own) - 1)
                    cursor = connection.execute(
                        "INSERT INTO content (hash, duration_seconds, vectors) VALUES (?, ?, ?)",
                        (name, seconds, own.tobytes()),
                    )
                    connection.execute("INSERT INTO file VALUES (?, ?, 1, 1)", (f"{name}.wav", cursor.lastrowid))
        write_rows(store, rows.shape[1], least_added=1)
    return time.perf_counter() - start


def spent(values: list[float]) -> str:
    """Median and 95th percentile, in ms."""
    return f"p50 {1000 * np.percentile(values, 50):.0f} ms, p95 {1000 * np.percentile(values, 95):.0f} ms"


@dataclass(frozen=True)
class Cost:
    """What a library of so many windows costs."""

    windows: int
    build_seconds: float
    num_bytes: int
    first_stage_seconds: float


def own_table(work: Path, source: Searcher, queries: list[Features], num: int) -> Cost:
    """What our own store costs; the p95 of the first stage, of the processor."""
    folder = work / f"library-{num}"
    shutil.rmtree(folder, ignore_errors=True)
    build_seconds = built(folder, source, num)
    print(f"\n{num} windows, built in {build_seconds:.1f} s (vectors; features of files not counted)")
    size = {file.name: file.stat().st_size for file in folder.rglob("*") if file.is_file()}
    print("bytes a window:", ", ".join(f"{name} {bytes_ / num:.0f}" for name, bytes_ in size.items()))
    with Repeated(folder, source.by) as searcher:
        searcher.source, searcher.num_real = source, source.store.counts().contents
        start = time.perf_counter()
        print(f"opened: {searcher.num_windows} windows in {time.perf_counter() - start:.2f} s")
        searcher.listed(queries[0])  # the pages come in
        worst = []
        for name, clock in (("on the wall", time.perf_counter), ("of the processor", time.process_time)):
            first, whole = [], []
            for query in queries:
                start = clock()
                listed = searcher.listed(query)
                first.append(clock() - start)
                searcher.placed(query, listed)
                whole.append(clock() - start)
            print(f"time {name}: first stage {spent(first)}; whole query {spent(whole)}", flush=True)
            worst.append(float(np.percentile(first, 95)))
    print(f"memory: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6:.2f} GB at most, mapped pages included")
    return Cost(num, build_seconds, sum(size.values()), worst[1])


def extrapolated(costs: list[Cost], num: int = 10_000_000) -> None:
    """How costs grow, by a line through their logarithms, and what that makes of a larger library."""
    windows = np.log([cost.windows for cost in costs])
    print()
    for name, unit in (("build_seconds", "s"), ("num_bytes", "bytes"), ("first_stage_seconds", "s (processor, p95)")):
        exponent, origin = np.polyfit(windows, np.log([getattr(cost, name) for cost in costs]), 1)
        print(f"{name} ~ windows^{exponent:.2f}; {num}: {np.exp(origin + exponent * np.log(num)):.3g} {unit}")


def linear(source: Searcher, rows: np.ndarray, queries: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Rows and queries whose inner product stands for the evidence."""
    sounds, pictures = [], []
    for number, cue in enumerate(source.by.rows.cues):
        mark = source.by.rows._num_numbers + number
        begin = sum(sum(term.size for term in other.terms) for other in source.by.rows.cues[:number])
        for term in cue.terms:
            part = slice(begin, begin + term.size)
            begin += term.size
            picture = np.log(np.maximum(queries[:, part], 1e-4)) if term.is_log else queries[:, part]
            root = np.sqrt(term.scale)
            sounds.append(root * rows[:, part] * rows[:, [mark]])
            pictures.append(root * picture * queries[:, [mark]])
    return np.concatenate(sounds, axis=1).astype(np.float32), np.concatenate(pictures, axis=1).astype(np.float32)


def of_usearch(vectors: np.ndarray, work: Path):
    from usearch.index import Index

    index = Index(ndim=vectors.shape[1], metric="ip", dtype="f16", connectivity=16, expansion_search=400)
    index.add(np.arange(len(vectors)), vectors, threads=2)
    index.save(str(work / "usearch.index"))
    return lambda query: index.search(query, LISTED).keys, work / "usearch.index"


def of_faiss(vectors: np.ndarray, work: Path):
    import faiss

    faiss.omp_set_num_threads(2)
    quantizer = faiss.IndexFlatIP(vectors.shape[1])
    index = faiss.IndexIVFScalarQuantizer(
        quantizer, vectors.shape[1], 1024, faiss.ScalarQuantizer.QT_fp16, faiss.METRIC_INNER_PRODUCT
    )
    index.train(vectors[:: max(1, len(vectors) // 60_000)])
    index.add(vectors)
    index.nprobe = 64
    faiss.write_index(index, str(work / "faiss.index"))
    return lambda query: index.search(query[None], LISTED)[1][0], work / "faiss.index"


def of_lancedb(vectors: np.ndarray, work: Path):
    import lancedb
    import pyarrow

    table = lancedb.connect(work / "lancedb").create_table(
        "rows",
        pyarrow.table(
            {
                "row": np.arange(len(vectors)),
                "vector": pyarrow.FixedSizeListArray.from_arrays(pyarrow.array(vectors.ravel()), vectors.shape[1]),
            }
        ),
        mode="overwrite",
    )
    return (
        lambda query: np.array(
            table.search(query).distance_type("dot").limit(LISTED).select(["row"]).to_arrow()["row"]
        ),
        work / "lancedb",
    )


STORES = {"usearch": of_usearch, "faiss": of_faiss, "lancedb": of_lancedb}


def others_table(work: Path, source: Searcher, queries: np.ndarray, num: int, names: list[str]) -> None:
    """The same vectors elsewhere."""
    rows = np.concatenate([block.vectors for block in source.rows])
    many = simulated(rows, num, source.by.rows._num_numbers, np.random.default_rng(0))
    vectors, pictures = linear(source, many, queries)
    by_product = np.argsort(-(pictures @ vectors.T), axis=1)[:, :20]
    evidence = np.stack([source.by.rows.nats(query, many) for query in queries])
    by_evidence = np.argsort(-evidence, axis=1)[:, :20]
    times = []
    for query in queries:
        start = time.perf_counter()
        np.argpartition(-source.by.rows.nats(query, many), LISTED)
        times.append(time.perf_counter() - start)
    print(f"exact, numpy: {spent(times)}, {many.nbytes / num:.0f} bytes a window")
    for name in names:
        start = time.perf_counter()
        search, file = STORES[name](vectors, work)
        seconds = time.perf_counter() - start
        found, times = [], []
        for picture in pictures:
            start = time.perf_counter()
            found.append(set(np.asarray(search(picture)).tolist()))
            times.append(time.perf_counter() - start)
        recall = [
            np.mean([len(ours & set(best.tolist())) / 20 for ours, best in zip(found, wanted, strict=True)])
            for wanted in (by_product, by_evidence)
        ]
        files = [one for one in ([file] if file.is_file() else file.rglob("*")) if one.is_file()]
        size = sum(one.stat().st_size for one in files) / num
        print(
            f"{name}: built in {seconds:.1f} s, {size:.0f} bytes a window, {spent(times)}, recall@20 of the product "
            f"{recall[0]:.3f}, of the evidence {recall[1]:.3f}",
            flush=True,
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("work", type=Path)
    parser.add_argument("--from", dest="source", type=Path, required=True, metavar="INDEX")
    parser.add_argument("--clips", type=Path, required=True, help="a folder of what is searched for")
    parser.add_argument("--windows", type=int, nargs="+", default=[1_000_000])
    parser.add_argument("--queries", type=int, default=50)
    parser.add_argument("--stores", nargs="+", default=[], choices=sorted(STORES))
    asked = parser.parse_args()
    asked.work.mkdir(parents=True, exist_ok=True)
    with Searcher(asked.source) as source:
        listing = list_videos if source.holds_sounds else list_audio
        paths = listing(asked.clips)
        step = max(1, len(paths) // asked.queries)
        queries = [source.query(path, asked.work / "cache") for path in paths[::step][: asked.queries]]
        if asked.stores:
            rows = np.stack([row_of(source.by, query) for query in queries])
            others_table(asked.work, source, rows, asked.windows[0], asked.stores)
            return
        costs = [own_table(asked.work, source, queries, num) for num in asked.windows]
        if len(costs) > 1:
            extrapolated(costs)


if __name__ == "__main__":
    main()
