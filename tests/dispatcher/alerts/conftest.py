"""Certificates for the other side: a good one, one for another name, one that is over, one that nobody signed."""

from __future__ import annotations

import subprocess

import pytest
from far_side import Certificates

_CONFIG = """
[ca]
default_ca = ours
[ours]
database = {folder}/index.txt
new_certs_dir = {folder}
serial = {folder}/serial
certificate = {folder}/ca.pem
private_key = {folder}/ca.key
default_md = sha256
policy = any
copy_extensions = copy
[any]
commonName = supplied
"""


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    folder = tmp_path_factory.mktemp("certificates")
    (folder / "ca.cnf").write_text(_CONFIG.format(folder=folder))
    (folder / "index.txt").touch()
    (folder / "serial").write_text("01\n")
    key = "-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes"

    def openssl(command: str) -> None:
        done = subprocess.run(
            ["openssl", *command.split()], cwd=folder, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr

    authority = (
        "-subj /CN=authority -addext basicConstraints=critical,CA:TRUE -addext keyUsage=critical,keyCertSign"
    )
    openssl(f"req -x509 {key} -keyout ca.key -out ca.pem -days 2 {authority}")
    openssl(
        f"req -x509 {key} -keyout alone.key -out alone.pem -days 2 -subj /CN=localhost "
        "-addext subjectAltName=DNS:localhost"
    )
    for name, host, dates in (
        ("good", "localhost", "-days 2"),
        ("other", "elsewhere.example", "-days 2"),
        ("over", "localhost", "-startdate 20200101000000Z -enddate 20200201000000Z"),
    ):
        openssl(
            f"req {key} -keyout {name}.key -out {name}.csr -subj /CN={name} -addext subjectAltName=DNS:{host}"
        )
        openssl(f"ca -batch -notext -config ca.cnf -in {name}.csr -out {name}.pem {dates}")
    return Certificates(folder)
