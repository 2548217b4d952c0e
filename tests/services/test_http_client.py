"""Calls between Tipstream's own processes."""

import asyncio
import ipaddress
import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from services.http_client import http_client
from tests.servers import free_port


async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """One request is answered."""
    await reader.readuntil(b"\r\n\r\n")
    writer.write(b"HTTP/1.1 204 No Content\r\n\r\n")
    writer.close()


def own_authority(folder: Path) -> tuple[Path, Path]:
    """A certificate for 127.0.0.1 that only who is told of it trusts, and its key."""
    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Tipstream's test")])
    address = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(address, critical=False)
        .sign(key, hashes.SHA256())
    )
    certificate, secret = folder / "certificate.pem", folder / "key.pem"
    certificate.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    secret.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return certificate, secret


async def test_an_authority_of_ones_own_is_trusted_where_it_is_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    certificate, secret = own_authority(tmp_path)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate, secret)
    monkeypatch.delenv("SSL_CERT_FILE", raising=False)
    async with await asyncio.start_server(answer, "127.0.0.1", 0, ssl=context) as server:
        host, port = server.sockets[0].getsockname()
        with pytest.raises(httpx.ConnectError, match="certificate verify failed"):
            async with http_client(f"https://{host}:{port}") as client:
                await client.get("/")
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
        async with http_client(f"https://{host}:{port}") as client:
            assert (await client.get("/")).status_code == 204


async def test_a_proxy_for_hosts_outside_is_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{free_port()}")
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        host, port = server.sockets[0].getsockname()
        async with http_client(f"http://{host}:{port}") as client:
            assert (await client.get("/")).status_code == 204
