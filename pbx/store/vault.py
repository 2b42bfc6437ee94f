"""The vault: passwords that have to be known again, such as a trunk's, are encrypted in the database. The key is a file
beside the configuration, so that a copy of the database alone betrays none.
"""

from __future__ import annotations

import os
from pathlib import Path

from cryptography.fernet import Fernet, InvalidToken

from pbx.faults import Fault

_ANEW = "give each trunk its password again with `pbx trunk set NAME --password -`"


class Vault:
    """Encrypts and decrypts with the key of one file.

    :param path: the file; made when something is encrypted first, for its owner only.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    @classmethod
    def beside(cls, configuration: str) -> Vault:
        """The vault whose key lies beside the configuration: `pbx.key`."""
        return cls(Path(configuration).absolute().parent / "pbx.key")

    def seal(self, text: str) -> str:
        """Encrypt.

        :raises Fault: the key can neither be read nor made.
        """
        try:
            key = self.path.read_bytes()
        except FileNotFoundError:
            key = self._made()
        except OSError as error:
            raise self._unreadable(error) from error
        return self._fernet(key).encrypt(text.encode()).decode("ascii")

    def unseal(self, sealed: str) -> str:
        """Decrypt.

        :raises Fault: the key is lost, or was another one.
        """
        try:
            key = self.path.read_bytes()
        except FileNotFoundError as error:
            raise Fault("", 0, f"the key file {self.path} is lost", f"restore it, or {_ANEW}") from error
        except OSError as error:
            raise self._unreadable(error) from error
        try:
            return self._fernet(key).decrypt(sealed.encode("ascii", "replace")).decode()
        except (InvalidToken, UnicodeDecodeError) as error:
            raise Fault("", 0, f"the password was encrypted with another key than {self.path}", _ANEW) from error

    def _made(self) -> bytes:
        key = Fernet.generate_key()
        try:
            # Nobody else may read it at any time, and one that is there already is not written over.
            descriptor = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        except OSError as error:
            what = f"the key file {self.path} cannot be made: {error.strerror}"
            raise Fault("", 0, what, "run this command as a user that may write there") from error
        with os.fdopen(descriptor, "wb") as file:
            file.write(key)
        return key

    def _fernet(self, key: bytes) -> Fernet:
        try:
            return Fernet(key.strip())
        except ValueError as error:
            raise Fault("", 0, f"{self.path} holds no key", f"restore it, or remove it and {_ANEW}") from error

    def _unreadable(self, error: OSError) -> Fault:
        what = f"the key file {self.path} cannot be read: {error.strerror}"
        return Fault("", 0, what, "let the user that runs the server own it")
