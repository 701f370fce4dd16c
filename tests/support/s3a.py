"""Spark's options for `s3a://`, on a store of the tests.

The library is that of Hadoop 3.3, the newest of which a package can be installed here; Spark's own Hadoop is younger.
"""

from support.object_stores import ObjectStore
from support.tools import cached_tool

JARS = ("hadoop-aws-3.3.1.jar", "aws-java-sdk-bundle-1.11.901.jar")
# Defaults of the younger Hadoop have units and names of classes that this library does not know.
SETTINGS = {
    "aws.credentials.provider": "com.amazonaws.auth.EnvironmentVariableCredentialsProvider",
    "threads.keepalivetime": 60,
    "connection.establish.timeout": 5000,
    "connection.timeout": 60000,
    "multipart.purge.age": 86400,
}


def s3a_options(store: ObjectStore) -> str:
    """The options of `spark-submit`; credentials are in the environment, which executors have as well."""
    settings = SETTINGS | {
        "endpoint": store.url,
        "endpoint.region": "us-east-1",
        "path.style.access": "true",
        "connection.ssl.enabled": "false",
    }
    jars = ",".join(cached_tool(f"s3a/{name}") for name in JARS)
    return " ".join(
        [f"--jars {jars}", *(f"--conf spark.hadoop.fs.s3a.{key}={value}" for key, value in settings.items())]
    )
