"""What `serve` gives over HTTP and to whom, and which images it takes."""

from __future__ import annotations

import hashlib
import http.client
import json
import socket
import ssl
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pace
import pytest
from pushing import opened, signers

from tools.errors import ToolError
from tools.image import signing
from tools.keys import keyfiles
from tools.server import imagestore
from tools.server.settings import check_keys
from tools.testbed.served import Served

MACS = [f"286DCE{number:06X}" for number in range(3)]
WAIT_S = pace.HANG_S


@pytest.fixture(scope="module")
def served(
    given: Path, tmp_path_factory: pytest.TempPathFactory, image: bytes, offer: dict
) -> Iterator[Served]:
    with Served(tmp_path_factory.mktemp("serve") / "server", given) as one:
        with opened(one) as store:
            imagestore.add(store, image, offer, signers(store))
        yield one


# Over HTTP


def get(
    url: str, given: Path, headers: dict | None = None, method: str = "GET"
) -> tuple[http.client.HTTPResponse, bytes]:
    parts = urlsplit(url)
    if parts.scheme == "https":
        context = ssl.create_default_context(cafile=str(given / "server" / "file-ca.crt.pem"))
        connection = http.client.HTTPSConnection(parts.netloc, timeout=WAIT_S, context=context)
    else:
        connection = http.client.HTTPConnection(parts.netloc, timeout=WAIT_S)
    connection.request(method, parts.path or "/", headers=headers or {})
    response = connection.getresponse()
    body = response.read()
    connection.close()
    return response, body


def url_of(served: Served, image: bytes, scheme: str = "https") -> str:
    return f"{served.images[scheme]}/{hashlib.sha256(image).hexdigest()}.img"


@pytest.mark.parametrize("scheme", ["https", "http"])
def test_an_image_whole_and_in_parts(served: Served, given: Path, image: bytes, scheme: str) -> None:
    url = url_of(served, image, scheme)
    response, body = get(url, given)
    tag = response.headers["ETag"]
    assert response.status == 200 and body == image and tag == f'"{hashlib.sha256(image).hexdigest()}"'
    response, body = get(url, given, {"Range": "bytes=1000-", "If-Range": tag})
    assert response.status == 206 and body == image[1000:]
    assert response.headers["Content-Range"] == f"bytes 1000-{len(image) - 1}/{len(image)}"
    response, body = get(url, given, {"Range": "bytes=1000-", "If-Range": '"another"'})
    assert response.status == 200 and body == image
    assert get(url, given, {"Range": f"bytes={len(image)}-"})[0].status == 416
    response, body = get(url, given, method="HEAD")
    assert response.headers["Content-Length"] == str(len(image)) and body == b""


@pytest.mark.parametrize(
    "path",
    [
        "/images/../fleet.db", "/images/..%2ffleet.db", "/images/%2e%2e/token", "/images//etc/passwd",
        "/images/", "/images", "/images/x.img", "/images/../images/{image}", "/images/{image}%00", "/token",
        "/fleet.db", "/images/{image}/../../token", "/images/%2e%2e%2f%2e%2e%2fkeys%2fserver%2ffiles.key.pem",
    ],
)  # fmt: skip
def test_no_way_out_of_the_folder_of_images(served: Served, image: bytes, path: str) -> None:
    """Sent as it is, because a client would tidy it up."""
    name = f"{hashlib.sha256(image).hexdigest()}.img"
    place = urlsplit(served.images["http"])
    with socket.create_connection((place.hostname, place.port), WAIT_S) as connection:
        request = f"GET {path.format(image=name)} HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n"
        connection.sendall(request.encode())
        answer = b"".join(iter(lambda: connection.recv(65536), b""))
    status = int(answer.split()[1])
    assert status in (400, 404) or (path == "/images/../images/{image}" and answer.endswith(image))


def test_what_is_not_what_its_name_says_is_not_served(served: Served, given: Path, image: bytes) -> None:
    digest = hashlib.sha256(b"one thing").hexdigest()
    path = served.folder / "images" / f"{digest}.img"
    path.write_bytes(b"another")
    assert get(f"{served.images['https']}/{digest}.img", given)[0].status == 404
    path.write_bytes(b"one thing")
    assert get(f"{served.images['https']}/{digest}.img", given)[1] == b"one thing"
    path.unlink()
    kept = served.folder / "images" / f"{hashlib.sha256(image).hexdigest()}.img"
    assert kept.stat().st_mode & 0o777 == 0o444


def test_the_fleet_is_for_who_has_the_token(served: Served, given: Path) -> None:
    base, _, token = served.page.partition("#")
    assert (served.folder / "token").read_text().strip() == token and len(token) >= 32
    assert (served.folder / "token").stat().st_mode & 0o777 == 0o600
    response, body = get(base, given)
    assert response.status == 200 and token.encode() not in body
    assert "default-src 'none'" in response.headers["Content-Security-Policy"]
    for header in ({}, {"Authorization": "Bearer "}, {"Authorization": f"Bearer {token[:-1]}x"},
                   {"Authorization": f"Basic {token}"}, {"Authorization": "Bearer \u00e9"}):  # fmt: skip
        response, body = get(f"{base}fleet.json", given, header)
        assert response.status == 401 and b"devices" not in body
    response, body = get(f"{base}fleet.json", given, {"Authorization": f"Bearer {token}"})
    assert [device["mac"] for device in json.loads(body)["devices"]][:3] == MACS[:3]


def test_the_token_never_travels_in_the_clear(served: Served, given: Path) -> None:
    base = served.images["http"].removesuffix("images")
    for path in ("", "fleet.json"):
        header = {"Authorization": f"Bearer {served.page.partition('#')[2]}"}
        assert get(base + path, given, header)[0].status == 404


# Images and keys


def bent(signed: dict) -> dict:
    return {**signed, "expires": signed["expires"] + 1}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda image, offer: (image[:-1], offer), "damaged"),
        (lambda image, offer: (image[:500] + b"x" + image[501:], offer), "damaged|signature"),
        (lambda image, offer: (image, {**offer, "sig-sha256-ecdsa": "AAAA"}), "signature"),
        (lambda image, offer: (image, {**offer, "version": "1.0.2"}), "says 1.0.1"),
        (lambda image, offer: (image, {**offer, "size": 7}), "7 bytes"),
        (lambda image, offer: (image, {**offer, "signed_offer": {}}), "own signature"),
        (lambda image, offer: (image, {**offer, "signed_offer": bent(offer["signed_offer"])}), "own"),
    ],
)
def test_what_boards_would_refuse_is_not_taken(
    served: Served, image: bytes, offer: dict, change, message: str
) -> None:
    bad_image, bad_offer = change(image, offer)
    before = sorted((served.folder / "images").iterdir())
    with opened(served) as store, pytest.raises(ToolError, match=message):
        imagestore.add(store, bad_image, bad_offer, signers(store))
    assert sorted((served.folder / "images").iterdir()) == before


def test_an_expired_offer_or_one_of_another_key(served: Served, image: bytes, keys: Path) -> None:
    key = keyfiles.read_key(keys / "sign.key.pem")
    late = signing.offer(image, key, version="1.0.1", expires=1000, for_push=True)
    foreign = keyfiles.read_key(keys / "file-ca.key.pem")
    other = signing.offer(image, foreign, version="1.0.1", for_push=True)
    for made, message in ((late, "expired"), (other, "a key of this server")):
        with opened(served) as store, pytest.raises(ToolError, match=message):
            imagestore.add(store, image, made, signers(store))


def test_no_server_starts_where_it_could_read_the_signing_key(keys: Path, given: Path) -> None:
    with pytest.raises(ToolError, match="which no server may read"):
        check_keys(keys)
    check_keys(given / "server")
    for path in (given / "server").rglob("*.key.pem"):
        assert path.read_bytes() != (keys / "sign.key.pem").read_bytes()
        assert path.name.split(".")[0] in ("broker", "files", "ota-server", "ota-server-1", "ota-server-2")
