"""The odd tables of ``tests/data/odd``; ``{here}`` in one stands for the folder that it is run in."""

from __future__ import annotations

import gzip
import io
from datetime import UTC, date, datetime, time
from decimal import Decimal

import pyarrow as pa
import pyarrow.parquet as pq

from odd_pictures import encoded, smooth

ROWS = [("a", "red, green", "1.5"), ("b", "zwölf Boxkämpfer", "2"), ("c", "a dog", "")]


def written(rows: list[tuple[str, ...]], separator: str) -> bytes:
    """A CSV; only what has the separator is quoted."""
    cells = [[f'"{cell}"' if separator in cell else cell for cell in row] for row in rows]
    return "".join(separator.join(row) + "\n" for row in cells).encode()


def packed(data: bytes) -> bytes:
    """A gzip file, the same each time."""
    return gzip.compress(data, mtime=0)


def parquet(**columns: object) -> bytes:
    """A Parquet file."""
    data = io.BytesIO()
    pq.write_table(pa.table(columns), data, compression="zstd")
    return data.getvalue()


def make_tables() -> dict[str, bytes]:
    """All of them, by name."""
    return {**separated(), **lines(), **columnar(), **typed(), **identifiers(), **files()}


def separated() -> dict[str, bytes]:
    """CSV files."""
    rows = [("id", "text", "price"), *ROWS]
    plain = written(rows, ",")
    long = b"id,text\nlong," + b"hay " * 35_000 + b"zneedle\nshort,a dog\n"
    return {
        "plain.csv": plain,
        "semicolons.csv": written(rows, ";"),
        "tabs.tsv": written(rows, "\t"),
        "tabs.csv": written(rows, "\t"),
        "bars.csv": written(rows, "|"),
        "mark.csv": b"\xef\xbb\xbf" + written(rows, ";"),
        "crlf.csv": plain.replace(b"\n", b"\r\n"),
        "cr.csv": plain.replace(b"\n", b"\r"),
        "packed.csv.gz": packed(plain),
        "cut.csv.gz": packed(plain)[:-12],
        "not-packed.csv.gz": plain,
        "long-cell.csv.gz": packed(long),
        "blank-lines.csv": b"\n\nid,text\n\na,red\n\n\nb,green\n\n",
        "quoted-newlines.csv": b'id,text\na,"first\nsecond, ""third"""\nb,"\r\n"\n',
        "all-quoted.csv": b'"id","text"\r\n"a","red"\r\n',
        "quoted-header.csv": b'"text; or ""words""; in brief",id\nred,a\n',
        "quote-within.csv": b'id,text\na,5" pipe\nb,"6"" pipe"\n',
        "single-quotes.csv": b"id,text\na,'red, green'\nb,'blue'\n",
        "zeros-behind.csv.gz": packed(plain) + bytes(512),
        "two-members.csv.gz": packed(b"id,text\n") + packed(b"a,red\n"),
        "wrong-sum.csv.gz": packed(plain)[:-8] + bytes(4) + packed(plain)[-4:],
        "gzip-called.csv": packed(plain),
        "unknown.xlsx": b"PK\3\4",
        "ragged.csv": b"id,text,price\na,red,1\nb,red, green,2\nc,blue\nd,white,4\n",
        "cut.csv": b"id,text,price\na,red,1\nb,gre",
        "open-quote.csv": b'id,text\na,"red\nb,green\n',
        "no-header.csv": b"a,red\nb,green\n",
        "latin-1.csv": "id,text\na,grün\n".encode("latin-1"),
        "utf-16.csv": "id,text\na,grün\n".encode("utf-16"),
        "empty.csv": b"",
        "header-alone.csv": b"id,text\n",
        "nul.csv": b"id,text\na,be\0hind\n",
        "numbers.csv": (
            b"id,text,zip,big,huge,decimal,comma,exponent,yes_or_no,mixed\n"
            b'a,red,00123,9007199254740993,9223372036854775808,0.1,"1,5",1e3,TRUE,1\n'
            b'b,green,10115,-1,1,-2,"2,5",2.5,false,x\n'
        ),
        "pinned.csv": b"id,text,price\na,red,1.5\nb,green,on request\n",
    }


def lines() -> dict[str, bytes]:
    """JSON and JSON Lines."""
    record = b'{"id": "a", "text": "red, green", "price": 1.5, "tags": ["x", "y"]}'
    return {
        "array.json": b"[" + record + b', {"id": "b", "text": "a dog"}]',
        "array-and-mark.json": b"\xef\xbb\xbf \n[" + record + b"]",
        "lines.json": record + b'\n{"id": "b", "text": "a dog"}\n',
        "cut.json": b"[" + record + b', {"id": "b", "te',
        "packed.jsonl.gz": packed(record + b"\n"),
        "bad-line.jsonl": record + b'\n{"id": "b", text}\n[1, 2]\n{"id": "d", "text": "a dog"}\n',
        "mark.jsonl": b"\xef\xbb\xbf" + record + b"\n",
        "crlf.jsonl": record + b'\r\n{"id": "b", "text": "a dog"}\r\n',
        "line-sign.jsonl": '{"id": "a", "text": "one\u2028line\x85"}\n'.encode(),
        "latin-1-line.jsonl": record + b'\n{"id": "b", "text": "gr\xfcn"}\n',
        "trailing-comma.json": b"[" + record + b",]",
        "scalars.json": b'[1, "x", null, ' + record + b"]",
        "empty-array.json": b"[]",
        "large.jsonl": b'{"id": "a", "text": "x", "n": 9223372036854775808}\n{"id": "b", "text": "y", "n": 1}\n',
        "cut.jsonl": record + b'\n{"id": "b", "te',
        "half-pair.jsonl": record + b'\n{"id": "b", "text": "\\ud800"}\n',
        "deep.jsonl": record + b'\n{"id": "b", "text": ' + b"[" * 5_000 + b"]" * 5_000 + b"}\n",
        "not-finite.jsonl": b'{"id": "a", "text": "x", "price": NaN}\n{"id": "b", "text": "y", "price": -Infinity}\n',
        "nulls.jsonl": b'{"id": "a", "text": "red", "price": null}\n{"id": "b", "text": null}\n',
        "mixed.jsonl": b'{"id": "a", "text": "red", "shoe": 1}\n{"id": "b", "text": "dog", "shoe": "two"}\n',
        "number-text.jsonl": b'{"id": "a", "text": 7}\n{"id": "b", "text": true}\n',
        "empty.jsonl": b"",
        "repeated-key.jsonl": b'{"id": "a", "id": "b", "text": "red"}\n',
    }


def columnar() -> dict[str, bytes]:
    """Parquet files."""
    rows = {"id": ["a", "b", "c"], "text": [text for _, text, _ in ROWS], "price": [1.5, 2.0, None]}
    whole = parquet(**rows)
    return {
        "plain.parquet": whole,
        "half.parquet": whole[: len(whole) // 2],
        "without-rows.parquet": parquet(id=pa.array([], pa.string()), text=pa.array([], pa.string())),
        "empty.parquet": b"",
        "parquet-called.csv": whole,
        "csv-called.parquet": written([("id", "text"), ("a", "red")], ","),
        "without-id.parquet": parquet(key=["a"], text=["red"]),
    }


def typed() -> dict[str, bytes]:
    """A Parquet file of columns that filters compare by their types."""
    return {
        "types.parquet": parquet(
            id=["a", "b"],
            text=["red", "green"],
            price=pa.array([Decimal("1.50"), Decimal("2.00")], pa.decimal128(8, 2)),
            day=pa.array([date(2024, 1, 5), date(2025, 1, 5)], pa.date32()),
            at=pa.array([datetime(2024, 1, 5, 10, tzinfo=UTC), None], pa.timestamp("us", "Europe/Berlin")),
            local=pa.array([datetime(2024, 1, 5, 10), None], pa.timestamp("ns")),
            clock=pa.array([time(10, 30), None], pa.time64("us")),
            flag=pa.array([True, False]),
            small=pa.array([1.5, None], pa.float32()),
            count=pa.array([250, 1], pa.uint8()),
            tags=pa.array([["x", "y"], []], pa.list_(pa.string())),
            numbers=pa.array([[1, 2], None], pa.list_(pa.int64())),
        )
    }


def identifiers() -> dict[str, bytes]:
    """Ids that are given twice, are numbers, dates, signs or not there."""
    return {
        "duplicates.csv": b"id,text\na,red\nb,green\na,blue\n",
        "empty-ids.csv": b"id,text\n,red\nb,green\n",
        "number-ids.csv": b"id,text\n7,red\n07,green\n7.0,blue\n-1,white\n",
        "number-ids.jsonl": b'{"id": 7, "text": "red"}\n{"id": "7", "text": "green"}\n{"id": 0, "text": "blue"}\n',
        "number-ids.parquet": parquet(id=pa.array([7, 0, None], pa.int64()), text=["red", "green", "blue"]),
        "date-ids.csv": b"id,text\n2024-01-05,red\n2024-01-05T10:00:00Z,green\n",
        "odd-ids.csv": (
            "id,text\n"
            "it's,red\n"
            '"say ""hi""",green\n'
            "a/b/../c,blue\n"
            "%41,white\n"
            " blank ,black\n"
            "grün,grey\n"
            "gru\u0308n,pink\n"
            "A,upper\n"
            "a,lower\n"
            "; DROP TABLE x; --,brown\n"
            "👩‍👧,violet\n"
        ).encode(),
        "no-text.csv": b"id,text\na,red\nb,\n",
    }


def files() -> dict[str, bytes]:
    """Rows that name files, and a file for them."""
    return {
        "pictures/a picture.png": encoded(smooth(), "PNG"),
        "pictures/%41.txt": b"a text\n",
        "pictures/half.png": encoded(smooth(), "PNG")[:-30],
        "pictures/latin-1.txt": b"gr\xfcn",
        "pictures/empty.txt": b"",
        "broken-files.csv": (
            b"id,uri\n"
            b"good,pictures/a picture.png\n"
            b"half,pictures/half.png\n"
            b"latin,pictures/latin-1.txt\n"
            b"empty,pictures/empty.txt\n"
            b"nul,pictures/a\0.png\n"
        ),
        "uris.jsonl": (
            b'{"id": "a", "uri": 7}\n'
            b'{"id": "b", "uri": ["pictures/%41.txt"]}\n'
            b'{"id": "c", "uri": "pictures/%41.txt\\n"}\n'
            b'{"id": "d", "uri": "", "text": "a text alone"}\n'
        ),
        "uris.csv": (
            b"id,uri\n"
            b"relative,pictures/a picture.png\n"
            b"dotted,./pictures/../pictures/a picture.png\n"
            b"absolute,{here}/pictures/a picture.png\n"
            b"one-slash,file:{here}/pictures/a%20picture.png\n"
            b"three-slashes,file://{here}/pictures/a%20picture.png\n"
            b"local-host,FILE://localhost{here}/pictures/a%20picture.png\n"
            b"percent,pictures/%41.txt\n"
            b"escaped-percent,file:{here}/pictures/%2541.txt\n"
            b"backslash,pictures\\%41.txt\n"
            b"missing,pictures/gone.png\n"
            b"elsewhere,file://other/pictures/a.png\n"
            b"remote,https://example.com/a.png\n"
            b"folder,pictures\n"
            b"kind,pictures/a.xyz\n"
        ),
        "text-and-uri.csv": b"id,uri,text\na,pictures/a picture.png,a caption of its own\nb,,a text alone\nc,,\n",
    }
