"""A process that imports once and then runs steps of pipelines as it is told, a JSON object a line each way."""

import json
import sys
import time
import traceback
from pathlib import Path

from embeddings_orch.errors import EmbeddingsOrchError
from embeddings_orch.pipeline import Pipeline
from embeddings_orch.pipeline.catalog.scan import scan_media
from embeddings_orch.pipeline.checks.run import check_index
from embeddings_orch.pipeline.embeddings.embed import embed
from embeddings_orch.pipeline.indexes.build import build_index
from embeddings_orch.pipeline.published.publish import publish
from embeddings_orch.spec.yaml_file import load_pipeline


def run(pipeline, steps, said):
    for step, pause in steps:
        time.sleep(pause)
        said["step"] = step
        if step == "scan":
            rows = scan_media(pipeline).table.select(["id", "content_hash", "caption"]).to_pylist()
            said["scanned"] = {row["id"]: [row["content_hash"], row["caption"]] for row in rows}
        elif step == "embed":
            reports = [embed(pipeline, name) for name in pipeline.spec.embeddings]
            said["embedded"] = sum(report.embedded for report in reports)
            said["failed"] = sum(report.failed for report in reports)
        else:
            for name in pipeline.spec.indexes:
                if step == "index":
                    said["generation"] = build_index(pipeline, name).generation.id
                elif step == "check":
                    check_index(pipeline, name)
                elif step == "publish":
                    report = publish(pipeline, name, checked=True)
                    said["published"], said["moved"] = report.generation.id, report.changed


def main():
    for line in sys.stdin:
        order, said = json.loads(line), {}
        try:
            run(Pipeline(load_pipeline(Path(order["file"]))), order["steps"], said)
        except EmbeddingsOrchError as error:
            said |= {"error": str(error), "kind": type(error).__name__, "trace": traceback.format_exc()}
        except Exception as error:
            said |= {"error": str(error), "kind": "crash", "trace": traceback.format_exc()}
        print(json.dumps(said), flush=True)


main()
