"""The system's crypt(3), which knows the hashes of /etc/shadow; slow, so call it on a thread.

Python's own module for it is gone in 3.13, and held the interpreter lock while it worked.
"""

from __future__ import annotations

import ctypes
from functools import cache
from typing import Any, Final

_LIBRARIES: Final = ("libcrypt.so.1", "libcrypt.so.2", "libcrypt.so", None)
"""Where it is: libxcrypt, old glibc, or the C library itself (musl)."""
_STATE: Final = 262_144
"""Octets of the largest `struct crypt_data` there is (glibc's), twice."""


class NoCrypt(Exception):
    """This system can't compute such a hash."""


def system_crypt(password: bytes, setting: bytes) -> bytes:
    """Return the hash of a password, computed as `setting` begins.

    Args:
        password: holds no NUL.
        setting: a whole hash, or the beginning that names method, cost and salt.

    Raises:
        NoCrypt: the system doesn't know the method, or `setting` is damaged.
    """
    function = _crypt_r()
    if function is None:
        raise NoCrypt("this system has no libcrypt")
    computed = function(password, setting, ctypes.create_string_buffer(_STATE))
    if not computed or computed.startswith(b"*"):
        raise NoCrypt("the system's libcrypt doesn't take it")
    return bytes(computed)


@cache
def _crypt_r() -> Any:  # noqa: ANN401 - a function of C
    for name in _LIBRARIES:
        try:
            function = ctypes.CDLL(name).crypt_r
        except (OSError, AttributeError):
            continue
        function.argtypes = [ctypes.c_char_p, ctypes.c_char_p, ctypes.c_char_p]
        function.restype = ctypes.c_char_p
        return function
    return None
