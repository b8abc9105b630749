"""Addresses of machines and their ports, as settings name them."""

from __future__ import annotations

import ipaddress

from evoalign.errors import InputError

LAST_PORT = 65_535


def endpoint(text: str, setting_name: str = "") -> tuple[str, int]:
    """Return host and port of ``HOST:PORT``; a host that has colons is in brackets, as ``[::1]:8077``.

    Raises
    ------
    InputError
        It is none; `setting_name` says where it was given.
    """
    host, _, port = text.rpartition(":")
    if not host or not (port.isascii() and port.isdigit()) or int(port) > LAST_PORT:
        raise InputError(f"'{text}' is no host and port", setting_name, "write it as 127.0.0.1:51001")
    return host.strip("[]"), int(port)


def is_loopback(host: str) -> bool:
    """Whether a host name or address is of this machine alone."""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
