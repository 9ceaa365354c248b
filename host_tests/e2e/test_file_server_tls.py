"""A file server with a bad certificate gets no request, and http is no way out."""

from __future__ import annotations

import acts
import proofs
import pytest

from tools import certificates, pki
from tools.certificates import DAY, Validity
from tools.servers.files import FileServer

HOST = "127.0.0.1"


def _authority(stage):
    return pki.read_pair(stage.keys, "file-ca")


def _other_ca(stage):
    other = certificates.make_ca("OTA file CA", certificates.valid_for(9))
    return certificates.issue(other, HOST, "server", certificates.valid_for(9), [HOST])


def _shifted(stage, first, last):
    validity = Validity(certificates.now() + first * DAY, certificates.now() + last * DAY)
    return certificates.issue(_authority(stage), HOST, "server", validity, [HOST])


def _wrong_name(stage):
    hosts = ["localhost", "127.0.0.2", "example.org"]
    valid = certificates.valid_for(9)
    return certificates.issue(_authority(stage), "localhost", "server", valid, hosts)


def _device(stage):
    """A certificate of the right authority, but for clients."""
    return certificates.issue(_authority(stage), HOST, "client", certificates.valid_for(9), [HOST])


BAD = {
    "other CA": _other_ca,
    "expired": lambda stage: _shifted(stage, -9, -1),
    "not yet valid": lambda stage: _shifted(stage, 2, 9),
    "wrong name": _wrong_name,
    "for clients": _device,
}


@pytest.mark.code(-10040)
@pytest.mark.parametrize(("runtime", "what"), [*(("mp32", what) for what in BAD), ("cpython", "other CA")])
def test_bad_certificate(make_stage, runtime, what):
    stage = make_stage(runtime=runtime)
    pki.write_pair(stage.keys, "bad", BAD[what](stage))
    acts.online(stage)
    image, offer = acts.new_offer(stage, transport="both")
    with FileServer(stage.images, stage.keys, server="bad") as bad:
        url = bad.https_url("firmware-1.0.1.img")
        acts.refuse(stage, offer | {"https_url": url}, -10040)
        assert not bad.requests
    assert not stage.files.requests  # the http_url was good, and stays unused
    assert proofs.error_codes(stage) == [-10040]
    proofs.check_old_runs(stage, image)


def test_good_certificate(make_stage):
    """The same with a good one, so that nothing but the certificate can be to blame above."""
    stage = make_stage()
    pki.write_pair(stage.keys, "other", _shifted(stage, -9, 9))
    acts.online(stage)
    _, offer = acts.new_offer(stage, transport="both")
    with FileServer(stage.images, stage.keys, server="other") as other:
        acts.update(stage, offer | {"https_url": other.https_url("firmware-1.0.1.img")})
        assert len(other.requests) == 1
    assert not stage.files.requests
