"""A real registry of images that wants to know who asks: Debian's docker-registry with TLS and a password file, ended afterwards."""

from __future__ import annotations

import datetime
import ipaddress
import socket
import ssl
import subprocess
import time
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

PROGRAM = "docker-registry"
USERNAME = "anna"
PASSWORD = "s3ntinel-of-the-registry"
_HASHED = "anna:$2b$04$ReqPlsZWHcpdfPX1jDKIZ.ezK5C/YtNhT6MpC293LC.KYsG9/7V/u\n"  # bcrypt of PASSWORD
_PATIENCE = 30.0  # seconds


class Registry:
    """On loopback, where engines take any certificate; `host` as references name it. `docker.engine` looks whether its program is there."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._port = _free_port()
        self._process: subprocess.Popen[bytes] | None = None
        self.host = f"127.0.0.1:{self._port}"

    def start(self) -> None:
        self._directory.mkdir(parents=True)
        (self._directory / "passwords").write_text(_HASHED)
        _make_certificate(self._directory)
        (self._directory / "config.yml").write_text(
            "version: 0.1\nlog: {level: warn}\n"
            f"storage: {{filesystem: {{rootdirectory: {self._directory}/data}}}}\n"
            f"auth: {{htpasswd: {{realm: tests, path: {self._directory}/passwords}}}}\n"
            f"http: {{addr: '{self.host}', tls: {{certificate: {self._directory}/cert.pem, key: {self._directory}/key.pem}}}}\n"
        )
        log = (self._directory / "log").open("wb")
        self._process = subprocess.Popen(
            [PROGRAM, "serve", str(self._directory / "config.yml")], stdin=subprocess.DEVNULL, stdout=log, stderr=log
        )
        log.close()
        self._until_it_answers()

    def stop(self) -> None:
        if self._process is not None:
            self._process.terminate()
            self._process.wait(_PATIENCE)

    def _until_it_answers(self) -> None:
        deadline = time.monotonic() + _PATIENCE
        while True:
            assert self._process is not None and self._process.poll() is None, (self._directory / "log").read_text()
            try:
                with socket.create_connection(("127.0.0.1", self._port), 1) as plain, _no_questions().wrap_socket(plain):
                    return
            except OSError:
                assert time.monotonic() < deadline, (self._directory / "log").read_text()
                time.sleep(0.05)


def _no_questions() -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as found:
        return int(found.getsockname()[1])


def _make_certificate(directory: Path) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "registry")])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    (directory / "cert.pem").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    plain, pem = serialization.NoEncryption(), serialization.Encoding.PEM
    (directory / "key.pem").write_bytes(key.private_bytes(pem, serialization.PrivateFormat.PKCS8, plain))
