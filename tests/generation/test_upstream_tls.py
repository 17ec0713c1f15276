"""Asking a server of models over TLS, with a certificate of one's own."""

import ipaddress
import ssl
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from inference.errors import ModelUnavailable
from inference.generator import Cancellation, Ended, Finish, Piece
from tests.generation.model_server import Remote, Script, Server
from tests.generation.test_upstream_httpx import HELLO, KEY, WAIT_S, answer, upstream, wait_until
from tests.inference import small_decoders
from tests.inference.small_decoders import prompt, text_of

NAME = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "A server of models")])


def certificate(folder: Path) -> Path:
    """A file with a key and the certificate that it signed for itself, for 127.0.0.1."""
    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC)
    here = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    known = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
    made = (
        x509.CertificateBuilder(NAME, NAME, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(known, critical=False)
        .add_extension(here, critical=False)
        .sign(key, hashes.SHA256())
    )
    secret = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    path = folder / "server.pem"
    path.write_bytes(secret + made.public_bytes(serialization.Encoding.PEM))
    return path


@pytest.fixture(scope="module")
def pem(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return certificate(tmp_path_factory.mktemp("tls"))


@pytest.fixture
def server(pem: Path, tmp_path: Path) -> Iterator[Server]:
    """The server of chat completions, behind TLS."""
    made = Server(small_decoders.engine(small_decoders.version(tmp_path)))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem)
    made.socket = context.wrap_socket(made.socket, server_side=True)
    serving = threading.Thread(target=made.serve_forever, daemon=True)
    serving.start()
    yield made
    made.shutdown()
    made.server_close()


@pytest.fixture
def trusted(pem: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The operator trusts the server's certificate."""
    monkeypatch.setenv("SSL_CERT_FILE", str(pem))


def remote(server: Server) -> Remote:
    return Remote(f"https://127.0.0.1:{server.server_address[1]}")


@pytest.mark.usefixtures("trusted")
def test_an_answer_streams_over_tls_and_the_next_on_the_same_connection(server: Server) -> None:
    server.scripts.extend([Script(HELLO), Script(HELLO)])
    found = upstream(remote(server))

    for _ in range(2):
        pieces = list(found.generate(prompt(), Cancellation()))
        assert pieces[:2] == [Piece("Hel"), Piece("lo")]
        assert isinstance(pieces[2], Ended)
        assert pieces[2].finish is Finish.STOP

    assert server.seen.connections == 1
    assert server.seen.requests[0]["headers"]["authorization"] == f"Bearer {KEY}"


@pytest.mark.usefixtures("trusted")
@pytest.mark.parametrize("hang", ["before", "after"])
def test_cancelling_closes_a_connection_under_tls_at_once(server: Server, hang: str) -> None:
    server.scripts.append(Script(HELLO[:2] if hang == "after" else (), hang=hang))
    cancellation = Cancellation()
    found = upstream(remote(server), token_timeout_s=300.0).generate(prompt(), cancellation)

    with ThreadPoolExecutor(1) as pool:
        reading = pool.submit(list, found)
        wait_until(lambda: len(server.seen.requests) == 1)
        cancellation.cancel()
        pieces = reading.result(WAIT_S)

    assert text_of(pieces) in ("", "Hel", "Hello")
    assert not any(isinstance(each, Ended) for each in pieces)
    wait_until(lambda: server.seen.gone == 1)


def test_a_server_that_nobody_vouches_for_gets_no_question_and_no_key(server: Server) -> None:
    with pytest.raises(ModelUnavailable, match="cannot be reached"):
        answer(upstream(remote(server)))

    assert server.seen.requests == []
