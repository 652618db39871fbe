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
    names = ",".join(f"c{number}" for number in range(2_500))
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
        "column-names.csv": (
            "id,text,with space,dotted.name,hyphen-name,größe,1st,_private,__index_level_0__,size,_score,ID,a`b,*\n"
            "a,red,1,2,3,4,5,6,7,8,9,10,11,12\n"
        ).encode(),
        "unnamed-column.csv": b",id,text\n0,a,red\n",
        "end-comma.csv": b"id,text,\na,red,\n",
        "twice.csv": b"id,text,price,price\na,red,1,2\n",
        "excel.csv": b"sep=;\r\n" + written(rows, ";").replace(b"\n", b"\r\n"),
        "utf-16.tsv": written(rows, "\t").decode().encode("utf-16"),
        "json-called.csv": b'[{"id": "a", "text": "red"}]',
        "workbook-called.csv": b"PK\3\4" + bytes(60),
        "only-ragged.csv": b"id,text\na,red,green\nb,blue,white\n",
        "blank-texts.csv": b'id,text,caption\na,red,"  "\nb,"\t ",green\n',
        "long-texts.csv": b"id,text\na," + b"hay " * 300 + b"\nb,red\n",
        "many-columns.csv.gz": packed(f"id,text,{names}\na,red{',1' * 2_499},2\nb,green{',3' * 2_500}\n".encode()),
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
        "objects.jsonl": b'{"id": "a", "text": "red", "more": {"x": 1}, "nested": [[1], [2]]}\n',
        "array.jsonl": b"[" + record + b', {"id": "b", "text": "a dog"}]',
        "over-lines.json": record.replace(b', "', b',\n "') + b'\n{\n "id": "b", "text": "a dog"\n}\n',
        "cr.jsonl": record + b'\r{"id": "b", "text": "a dog"}\r',
        "utf-16.jsonl": (record + b'\r\n{"id": "b", "text": "a dog"}\r\n').decode().encode("utf-16"),
        "columns.json": b'{"id": {"0": "a"}, "text": {"0": "red"}}',
        "csv-called.jsonl": b"id,text\na,red\n",
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
        "nested.parquet": parquet(
            id=["a", "b"],
            text=["red", "green"],
            struct=pa.array([{"x": 1, "y": "p"}, None], pa.struct([("x", pa.int64()), ("y", pa.string())])),
            map=pa.array([[("k", 1)], None], pa.map_(pa.string(), pa.int64())),
            lists=pa.array([[[1, 2], []], None], pa.list_(pa.list_(pa.int64()))),
            structs=pa.array([[{"x": 1}], None], pa.list_(pa.struct([("x", pa.int64())]))),
        ),
        "bytes-and-spans.parquet": parquet(
            id=["a", "b"],
            text=["red", "green"],
            bytes=pa.array([b"\x00\xff", None], pa.binary()),
            fixed=pa.array([b"ab", b"cd"], pa.binary(2)),
            span=pa.array([90, None], pa.duration("s")),
            clock=pa.array([3_600, None], pa.time32("s")),
        ),
        "encodings.parquet": parquet(
            id=pa.array(["a", "b"], pa.large_string()),
            text=pa.array(["red", "green"]).dictionary_encode(),
            word=pa.array(["x", "y"], pa.string_view()),
            large=pa.array(["x", "y"], pa.large_string()),
            kind=pa.array(["p", None]).dictionary_encode(),
            nothing=pa.nulls(2),
            small=pa.array([1.5, None], pa.float16()),
            unsigned=pa.array([2**64 - 1, 0], pa.uint64()),
        ),
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
        "bytes-ids.parquet": parquet(id=pa.array([b"a", b"b\xff", None], pa.binary()), text=["red", "green", "blue"]),
        "decimal-ids.parquet": parquet(
            id=pa.array([Decimal("7.00"), Decimal("7.10"), None], pa.decimal128(5, 2)), text=["red", "green", "blue"]
        ),
        "date-ids.parquet": parquet(
            id=pa.array([date(2024, 1, 5), date(1969, 12, 31), None], pa.date32()), text=["red", "green", "blue"]
        ),
        "float-ids.parquet": parquet(
            id=pa.array([7.0, float("nan"), None], pa.float64()), text=["red", "green", "blue"]
        ),
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
