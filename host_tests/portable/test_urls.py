"""device.strict: what is taken for a URL, where a Location leads, which hosts are allowed."""

from check import raises_code

from device import errors, strict

GOOD_URLS = (
    ("http://host", "http", ("host", 80, "/")),
    ("https://host", "https", ("host", 443, "/")),
    ("https://host:8443/a?b", "https", ("host", 8443, "/a?b")),
    ("https://10.0.0.7/fw.bin", "https", ("10.0.0.7", 443, "/fw.bin")),
    ("https://host?x=1", "https", ("host", 443, "/?x=1")),
    ("https://host/a#part", "https", ("host", 443, "/a")),
    ("https://host?x=/y", "https", ("host", 443, "/?x=/y")),
    ("mqtts://broker", "mqtts", ("broker", 8883, "/")),
    ("mqtt://broker:1884", "mqtt", ("broker", 1884, "/")),
    ("http://h:65535/", "http", ("h", 65535, "/")),
    ("http://host#@hostile/", "http", ("host", 80, "/")),
    ("http://host?@hostile/", "http", ("host", 80, "/?@hostile/")),
)
BAD_URLS = (
    "", "http", "http:/host/", "//host/", "/fw.bin", "ftp://host/", "file:///etc/passwd",
    "https://host/", "HTTP://host/", "http://", "http:///fw", "http://:80/", "http://host:/",
    "http://host:0/", "http://host:65536/", "http://host:99999/", "http://host:-1/",
    "http://host:8a/", "http://host: 80/", "http://user@host/", "http://user:pw@host/",
    "http://host/a b", "http://host/\r\nX: y", "http://host/\n", "http://host/\0",
    "http://ho\tst/", "http://host/\x7f", "http://host/\u4e0b", "http://host/<", 'http://host/"',
    "http://host/\\", "http://host:80@hostile/", "http://host\\@hostile/",
    "http://host/^`", "http://host/{|}", " http://host/", "http://host/ ",
    "http://" + "h" * 254 + "/",
)  # fmt: skip

PROVES = {
    errors.BAD_MESSAGE: "test_bad_urls",
    errors.HTTP_STATUS: "test_redirects_that_are_refused",
}


def _parts(address):
    """(scheme, host, port, what a request asks for)"""
    scheme, host, port, url, start = address
    return scheme, host, port, url[start:] if url[start : start + 1] == "/" else "/" + url[start:]


def test_good_urls():
    for text, scheme, parts in GOOD_URLS:
        assert _parts(strict.split_url(text, scheme)) == (scheme,) + parts, text


def test_bad_urls():
    for text in BAD_URLS:
        raises_code(errors.BAD_MESSAGE, strict.split_url, text, "http")


def test_urls_of_other_types():
    for value in (None, 1, True, b"http://host/", ["http://host/"], {}):
        raises_code(errors.BAD_MESSAGE, strict.split_url, value, "http")


def test_ipv6_literals_are_refused_not_misread():
    for text in ("http://[::1]/", "http://[::1]:80/", "http://[fe80::1%25eth0]/", "http://::1/"):
        raises_code(errors.BAD_MESSAGE, strict.split_url, text, "http")


def test_a_long_url_is_not_copied():
    url = "https://host/" + "x" * 2000
    assert strict.split_url(url, "https")[3] is url
    raises_code(errors.BAD_MESSAGE, strict.split_url, url + "y" * 2100, "https")


def _redirect(location, base="https://h/dir/fw?old", hosts=()):
    return _parts(strict.redirect(location, hosts, *strict.split_url(base, base.split(":")[0])))


def test_redirects_that_are_followed():
    for location, target in (
        ("https://o:8443/x?y", ("https", "o", 8443, "/x?y")), ("https://o", ("https", "o", 443, "/")),
        ("HTTPS://O/x", ("https", "O", 443, "/x")), ("hTTps://o?x", ("https", "o", 443, "/?x")),
        ("/new", ("https", "h", 443, "/new")), ("//o/x", ("https", "o", 443, "/x")),
        ("//o:81", ("https", "o", 81, "/")), ("x", ("https", "h", 443, "/dir/x")),
        ("a/b?c=/d", ("https", "h", 443, "/dir/a/b?c=/d")), ("?new", ("https", "h", 443, "/dir/fw?new")),
        ("/a#b", ("https", "h", 443, "/a")), ("x#b:c", ("https", "h", 443, "/dir/x")),
        ("a?at=1:2", ("https", "h", 443, "/dir/a?at=1:2")), ("/a:b", ("https", "h", 443, "/a:b")),
        ("a/b:c", ("https", "h", 443, "/dir/a/b:c")), ("https://o/x#y", ("https", "o", 443, "/x")),
    ):  # fmt: skip
        assert _redirect(location) == target, location
    plain = "http://h:8080/fw"
    assert _redirect("/new", plain) == ("http", "h", 8080, "/new")
    assert _redirect("x", plain) == ("http", "h", 8080, "/x")
    assert _redirect("//o", plain) == ("http", "o", 80, "/")
    for location in ("https://o/x", "http://o/x", "HTTP://o/x"):
        scheme = location[:-6].lower()
        assert _redirect(location, plain) == (scheme, "o", 443 if scheme == "https" else 80, "/x")


def test_a_base_without_a_path():
    for base in ("https://h", "https://h?q", "https://h/", "https://h?a/b"):
        assert _redirect("x/y", base) == ("https", "h", 443, "/x/y")
        assert _redirect("?z", base) == ("https", "h", 443, "/?z")


def test_a_path_of_thousands_of_parts_is_refused_before_a_list_of_them_is_made():
    address = strict.split_url("http://h/b", "http")
    assert strict.redirect("/." * 255, (), *address)[3] == "http://h/"
    for location in ("/." * 256, "/a/." + "/x" * 2000):
        error = raises_code(errors.HTTP_STATUS, strict.redirect, location, (), *address)
        assert "too many parts" in error.detail and error.facts == (("field", "Location"),)


def test_dots_in_a_path():
    """RFC 3986, section 5.4, from /b/c/d;p?q."""
    for location, path in (
        ("g", "/b/c/g"), ("./g", "/b/c/g"), ("g/", "/b/c/g/"), ("g;x", "/b/c/g;x"), (".", "/b/c/"),
        ("./", "/b/c/"), ("..", "/b/"), ("../", "/b/"), ("../g", "/b/g"), ("../..", "/"), ("../../", "/"),
        ("../../g", "/g"), ("../../../g", "/g"), ("/./g", "/g"), ("/../g", "/g"), ("g.", "/b/c/g."),
        (".g", "/b/c/.g"), ("g..", "/b/c/g.."), ("..g", "/b/c/..g"), ("./../g", "/b/g"),
        ("./g/.", "/b/c/g/"), ("g/./h", "/b/c/g/h"), ("g/../h", "/b/c/h"), ("g;x=1/./y", "/b/c/g;x=1/y"),
        ("g?y/./x", "/b/c/g?y/./x"), ("g?y/../x", "/b/c/g?y/../x"), ("g#s/../x", "/b/c/g"),
        ("//a/x/../y", "/y"), ("https://a/x/./y?z/..", "/x/y?z/.."), ("/%2e%2e/x", "/%2e%2e/x"),
    ):  # fmt: skip
        assert _redirect(location, "https://a/b/c/d;p?q") == ("https", "a", 443, path), location


def test_redirects_that_are_refused():
    for location in (
        "http://h/x", "HTTP://h/x", "ftp://h/x", "file:///x", "javascript:x", "", "#x", "mqtts://o/x",
        "https://o/\r\nX: y", "/a b", "/a\r\nHost: hostile", "/\0", "https://u:p@o/", "https://o:0/",
        "https://u@o/", "https://o:8443@hostile/", "https://o\tx/", "/x\ny", "///o/x", "\\\\o\\x",
        "https://", "https:/o/", "https:o", " https://o/", "/\u4e0b", "//u@o/", "//", "//:80/", "x\\y",
        "http:/x", "https:",
    ):  # fmt: skip
        error = raises_code(errors.HTTP_STATUS, _redirect, location)
        assert "Location" in error.detail and error.facts == (("field", "Location"),)
    for location in ("ftp://h/x", "", "http://o/\r\nX: y", "h:80/x"):
        raises_code(errors.HTTP_STATUS, _redirect, location, "http://h/")
    raises_code(errors.HTTP_STATUS, _redirect, "x" * 3000, "https://h/" + "y" * 2000 + "/")


def test_hosts_that_are_allowed():
    hosts = ["files", "10.0.0.7", ".Example.com"]
    for host in ("files", "FILES", "10.0.0.7", "a.example.com", "a.b.EXAMPLE.com"):
        for scheme in ("http", "https"):
            strict.check_host(strict.split_url("%s://%s:81/x" % (scheme, host), scheme), hosts)
        assert _redirect("//%s/x" % host, hosts=hosts)[1] == host
    for host in (
        "file",
        "files.",
        "xfiles",
        "files.hostile",
        "example.com",
        "hostileexample.com",
        "10.0.0.71",
    ):
        for scheme in ("http", "https"):
            address = strict.split_url("%s://%s/files" % (scheme, host), scheme)
            error = raises_code(errors.BAD_MESSAGE, strict.check_host, address, hosts)
            assert error.facts == (("field", scheme + "_url"),) and "file_hosts" in error.detail
        error = raises_code(errors.HTTP_STATUS, _redirect, "https://%s/files" % host, "https://files/", hosts)
        assert "Location: %s is not in file_hosts" % host in error.detail
    strict.check_host(strict.split_url("http://any/", "http"), [])
