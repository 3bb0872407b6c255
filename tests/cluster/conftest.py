"""What tests of engine spark need: a Java of their own, as small as it can be."""

from __future__ import annotations

import importlib.util
import os
import shutil
from collections.abc import Iterator
from typing import Any

import pytest

# A small Java that starts at once, and does not shine at large work; no program is written for
# a query over a hundred rows.
JAVA = "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC"
SMALL = """spark.sql.shuffle.partitions 1
spark.sql.adaptive.enabled false
spark.sql.codegen.wholeStage false
spark.sql.codegen.factoryMode NO_CODEGEN
"""


@pytest.fixture(scope="module", autouse=True)
def java(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Let Spark be small; end it at last."""
    from cxlab.data.spark import session

    there = {
        "pyspark": importlib.util.find_spec("pyspark"),
        "Java": shutil.which("java") or os.environ.get("JAVA_HOME"),
    }
    if missing := [name for name, found in there.items() if not found]:
        told = f"needs {' and '.join(missing)}: make cluster"
        pytest.fail(told) if os.environ.get("CXLAB_REQUIRE_ALL") == "1" else pytest.skip(told)
    with pytest.MonkeyPatch.context() as patch:
        told = tmp_path_factory.mktemp("spark")
        (told / "spark-defaults.conf").write_text(SMALL, encoding="utf-8")
        patch.setenv("SPARK_CONF_DIR", str(told))
        patch.setenv("JDK_JAVA_OPTIONS", JAVA)
        patch.setenv("SPARK_LOCAL_IP", "127.0.0.1")
        patch.setenv(session.VARIABLE, "local[1]")
        yield
        session.close()
        if (gateway := _gateway()) is not None:
            gateway.shutdown()
            gateway.proc.stdin.close()
            gateway.proc.wait(30)
        while session._log:  # which that Java wrote to
            session._log.pop().close()


def _gateway() -> Any:
    from pyspark import SparkContext

    gateway, SparkContext._gateway, SparkContext._jvm = SparkContext._gateway, None, None
    return gateway
