"""What Spark's errors mean to a user."""

from __future__ import annotations

import re
import sys

from cxlab.errors import AnalysisError, DataError

__all__ = ["is_spark", "reason", "spark_error"]

_LONGEST = 160
# What Spark and Java say, in our words.
_LOST = (
    "SparkContext was shut down",
    "All masters are unresponsive",
    "Application removed",
    "cancelled because SparkContext",
    "Cannot call methods on a stopped SparkContext",
    "Master removed our application",
)
_MEMORY = ("OutOfMemoryError", "Java heap space", "GC overhead limit", "SparkOutOfMemory",
           "ExecutorLostFailure", "bigger than spark.driver.maxResultSize",
           "exitCode 137")  # fmt: skip
_DISK = ("No space left on device",)
_UNSEEN = ("FileNotFoundException", "does not exist", "FAILED_READ_FILE.FILE_NOT_EXIST")
_CSV = ("MALFORMED_RECORD_IN_PARSING", "MalformedCSV", "TextParsingException")


def is_spark(error: BaseException) -> bool:
    """Tell errors of Spark, of the bridge to its Java, or of a frame that Spark cannot make.

    Parameters
    ----------
    error : BaseException
        Any.
    """
    if "pyspark" not in sys.modules:
        return False
    if type(error).__module__.startswith(("pyspark.", "py4j.")):
        return True
    # narwhals knows what Spark has no way to do; our own code never raises this.
    return isinstance(error, NotImplementedError)


def reason(error: BaseException) -> str:
    """Give Spark's own words, folded to a short line."""
    text = str(getattr(error, "java_exception", None) or error)
    causes = re.findall(r"Caused by: ([^\n]+)", str(error))
    line = (causes[-1] if causes else text).split("\n")[0]
    line = re.sub(r"^(?:[\w$]+\.)+[\w$]+(?:Exception|Error): *", "", line)
    line = re.sub(r"^\[[A-Z_.]+\] *", "", line)
    line = re.sub(r"\s*SQLSTATE: \w+$", "", line).strip()
    return line[:_LONGEST] or type(error).__name__


def spark_error(error: BaseException, where: str) -> Exception:
    """Word an error of Spark for a user.

    Parameters
    ----------
    error : BaseException
        One that :func:`is_spark` knows.
    where : str
        What was being read.
    """
    from cxlab.data.spark.session import _here

    one = _here[0] if _here else None
    if one is not None and one.watch is not None and one.watch.verdict:
        return AnalysisError(one.watch.verdict)
    cannot = type(error).__name__ == "AnalysisException" and "PATH_NOT_FOUND" not in str(error)
    if cannot or isinstance(error, NotImplementedError):
        return AnalysisError(
            f"{where}: engine spark cannot do a step of this analysis ({reason(error)}); run it "
            "with engine duckdb"
        )
    text, place = str(error), "engine spark" + (f" ({one.master.url})" if one else "")
    told = _told(text, place, where)
    if told is None and type(error).__name__ in ("Py4JNetworkError", "ConnectionRefusedError"):
        told = AnalysisError(f"{place}: its Java has ended; it may have run out of memory")
    return told or DataError(f"{where}: engine spark: {reason(error)}")


def _told(text: str, place: str, where: str) -> Exception | None:
    def says(signs: tuple[str, ...]) -> bool:
        return any(sign in text for sign in signs)

    if says(_LOST):
        return AnalysisError(f"{place}: the cluster has ended the work: all workers are lost")
    if says(_DISK):
        return AnalysisError(f"{place}: a disk is full: work that spills needs more room")
    if says(_MEMORY):
        return AnalysisError(
            f"{place}: it takes more memory than it has; allow more (--memory-limit), or give it "
            "more workers"
        )
    if says(_CSV):
        return DataError(f"{where}: a line has not as many values as the header has columns")
    if says(_UNSEEN):
        return DataError(
            f"{where}: engine spark does not find it; a cluster's workers must see the dataset's "
            f"folder under the same path ({reason(RuntimeError(text))})"
        )
    return None
