"""Files of the sample sheet in object storage or on the web, named by URL: what is sure before jobs start.

Snakemake's storage plugins fetch them when a job needs them. Here is said
which plugin takes a URL, and, once for each bucket, why one cannot be reached:
Snakemake itself would take objects of such a bucket for missing.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any
from urllib.parse import unquote, urlsplit

from evoalign.errors import InputError

# Scheme of a URL -> its storage plugin; of other schemes, the one plugin that takes them.
PROVIDERS = {"s3": "s3", "gs": "gcs", "http": "http", "https": "http"}
_URL = re.compile(r"[a-z][a-z0-9+.-]*://")
_PACKAGE = "snakemake-storage-plugin-"
_CATALOGUE = "install the plugin of Snakemake's catalogue that does, or give a local path"
# S3's comes with the project's own pins.
_INSTALL = {"s3": "pip install --no-deps --requirement envs/storage.lock"}
_CREDENTIALS = (
    "set SNAKEMAKE_STORAGE_S3_ACCESS_KEY and SNAKEMAKE_STORAGE_S3_SECRET_KEY, or fill ~/.aws/credentials"
)
_ENDPOINT = "correct the endpoint: --storage-s3-endpoint-url, or SNAKEMAKE_STORAGE_S3_ENDPOINT_URL"
_REGION = "give its region: --storage-s3-region, or SNAKEMAKE_STORAGE_S3_REGION"
# Answers to a request for a bucket have no text, only a code.
_ANSWERS = {
    "400": ("the server refuses the request: credentials or region are wrong", _CREDENTIALS),
    "403": (
        "access to the bucket is refused",
        "check the credentials; they must be allowed to list it (s3:ListBucket) and to read its objects",
    ),
    "404": ("there is no such bucket", f"correct its name in the sample sheet; or {_ENDPOINT}"),
    "301": ("the bucket is in another region", _REGION),
}


def is_url(file: str) -> bool:
    """Whether a file of the sample sheet is named by URL, as ``s3://bucket/key``."""
    return bool(_URL.match(file))


def check_url(url: str, where: str) -> None:
    """Refuse a URL that names no object.

    Parameters
    ----------
    url : str
        As the sample sheet has it.
    where : str
        Its row and column.

    Raises
    ------
    InputError
        Bucket or key is missing, or a character of the key would end it.
    """
    parts = urlsplit(url)
    web = PROVIDERS.get(parts.scheme) == "http"
    refused = sorted(set(url) & set("{}" if web else "{}?#"))
    if refused:
        raise InputError(
            f"the key in '{url}' has a {' and a '.join(refused)}, which a URL cannot have there",
            where,
            "give the object a key without, or download it and give its path",
        )
    if ".." in re.split(r"[/\\]", unquote(parts.path)) or not url.isprintable():
        raise InputError(
            f"the key in {url!r} leads out of its folder",
            where,
            "name the object by its own key, without '..' or control characters",
        )
    if not parts.netloc or not parts.path.strip("/"):
        hint = f"write it as {parts.scheme}://bucket/folder/file"
        raise InputError(f"'{url}' names no object of a bucket", where, hint)


def plugin_for(url: str) -> str:
    """Return the name of the storage plugin that takes a URL.

    Raises
    ------
    InputError
        It is not installed, or several take URLs of this kind.
    """
    from snakemake_interface_storage_plugins.registry import StoragePluginRegistry

    installed = StoragePluginRegistry().plugins
    scheme = urlsplit(url).scheme
    provider = PROVIDERS.get(scheme)
    if provider:
        taking = [provider] if provider in installed else []
        hint = _INSTALL.get(provider, f"pip install {_PACKAGE}{provider}")
    else:
        taking = [name for name, plugin in installed.items() if plugin.storage_provider.is_valid_query(url)]
        hint = _CATALOGUE
    if len(taking) != 1:
        reason = (
            f"several storage plugins take it: {', '.join(taking)}" if taking else "no storage plugin does"
        )
        raise InputError(f"Snakemake cannot fetch {scheme}:// files: {reason}", url, hint)
    return taking[0]


def check_buckets(objects: Iterable[Any]) -> None:
    """Ask once for each S3 bucket whether it can be reached, and whether its keys stay in their folders.

    Parameters
    ----------
    objects : iterable of snakemake_interface_storage_plugins.storage_object.StorageObjectBase
        All that the sample sheet names; of providers other than S3 nothing is asked.

    Raises
    ------
    InputError
        No credentials, refused, no such bucket, another region, or no answer; or
        an object below a named folder would be fetched to a place outside of it.
    """
    buckets: dict[str, Any] = {}
    stored_objects = list(objects)
    for remote in stored_objects:
        if hasattr(remote.provider, "s3c"):
            buckets.setdefault(remote.bucket, remote.provider)
    for bucket, provider in buckets.items():
        _check_bucket(bucket, provider.s3c.meta.client)
    for remote in stored_objects:
        if hasattr(remote, "get_subkeys") and hasattr(remote.provider, "s3c"):
            check_keys((item.key for item in remote.get_subkeys()), f"s3://{remote.bucket}/{remote.key}")


def check_keys(keys: Iterable[str], folder: str) -> None:
    """Refuse keys that Snakemake's plugin, which joins them to a local folder, would fetch to elsewhere.

    Parameters
    ----------
    keys : iterable of str
        Of the objects below a folder.
    folder : str
        Its URL.

    Raises
    ------
    InputError
        A key goes up (``..``), begins anew (``//``) or has control characters.
    """
    for key in keys:
        beneath = key.removeprefix(urlsplit(folder).path.strip("/")).removeprefix("/")
        parts = beneath.split("/")
        if ".." in parts or "" in parts[:-1] or not beneath.isprintable():
            raise InputError(
                f"the key {key!r} would be fetched to a place outside of its folder",
                folder,
                "remove or rename the object in the bucket",
            )


def _check_bucket(bucket: str, client: Any) -> None:
    from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError, PartialCredentialsError

    where = f"s3://{bucket}, at {client.meta.endpoint_url}"
    try:
        client.head_bucket(Bucket=bucket)
    except (NoCredentialsError, PartialCredentialsError) as error:
        raise InputError("no credentials are given for the bucket", where, _CREDENTIALS) from error
    except ClientError as error:
        code = str(error.response["Error"]["Code"])
        what, hint = _ANSWERS.get(code, (f"the bucket cannot be read: {error}", _CREDENTIALS))
        raise InputError(what, where, hint) from error
    except BotoCoreError as error:
        raise InputError(f"the server does not answer: {error}", where, _ENDPOINT) from error
