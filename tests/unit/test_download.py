"""The guarded download against a network of its own: nothing here opens a connection."""

import socket
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from ipaddress import IPv4Address, IPv6Address

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from timed_downloader import TimedDownloader

from classifier.errors import (
    FetchFailed,
    FetchTimeout,
    ImageTooLarge,
    InvalidRequest,
    RequestError,
    UrlNotAllowed,
)
from classifier.fetch.addresses import is_allowed
from classifier.fetch.target import Target

PUBLIC = "93.184.215.14"
PUBLIC_6 = "2606:2800:21f:cb07:6820:80da:af6b:8b2c"
IMAGE = b"\xff\xd8\xff image"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(IMAGE), IMAGE)
UNREACHABLE = "The address could not be reached: it must be that of a public server that answers."

type Answer = bytes | OSError | Callable[[], bytes]


class Network:
    """Names and servers that exist in a test alone, and a record of who asked for them.

    names: name -> the answers to one look-up after the other (the last one stays).
    servers: address -> what it sends to one connection after the other (the last one stays).
    """

    def __init__(self) -> None:
        self.names: dict[str, Sequence[Sequence[str]]] = {"a.example": [[PUBLIC]]}
        self.servers: dict[str, Sequence[Answer]] = {PUBLIC: [OK]}
        self.looked_up: list[str] = []
        self.connections: list[tuple[str, int]] = []
        self.time_given: list[float] = []
        self.peers: list[socket.socket] = []

    def resolve(self, name: str) -> Sequence[str]:
        answers = self.names.get(name)
        if answers is None:
            raise socket.gaierror(socket.EAI_NONAME, f"{name} not known")
        self.looked_up.append(name)
        return answers[min(self.looked_up.count(name), len(answers)) - 1]

    def connect(self, address: tuple[str, int], timeout: float) -> socket.socket:
        self.connections.append(address)
        self.time_given.append(timeout)
        answers = self.servers[address[0]]
        visits = sum(1 for host, _ in self.connections if host == address[0])
        answer = answers[min(visits, len(answers)) - 1]
        if isinstance(answer, OSError):
            raise answer
        ours, theirs = socket.socketpair()
        self.peers.append(theirs)
        theirs.sendall(answer if isinstance(answer, bytes) else answer())
        theirs.shutdown(socket.SHUT_WR)
        return ours

    def request(self, number: int = -1) -> bytes:
        """What was sent over a connection."""
        return self.peers[number].recv(65536)

    def close(self) -> None:
        for peer in self.peers:
            peer.close()


@pytest.fixture
def network() -> Iterator[Network]:
    made = Network()
    yield made
    made.close()


def downloader(network: Network, **settings: object) -> TimedDownloader:
    defaults: dict[str, object] = {"resolve": network.resolve, "connect": network.connect}
    return TimedDownloader(**(defaults | settings))  # type: ignore[arg-type]


def refusal(network: Network, url: str, **settings: object) -> RequestError:
    """The error of downloading ``url``."""
    with pytest.raises(RequestError) as caught:
        downloader(network, **settings).get(url)
    return caught.value


def response(body: bytes, *headers: str, status: str = "200 OK") -> bytes:
    return "\r\n".join([f"HTTP/1.1 {status}", *headers, "", ""]).encode() + body


def redirect(location: str, status: int = 302) -> bytes:
    return response(b"", f"Location: {location}", "Content-Length: 0", status=f"{status} Found")


class TestTarget:
    @pytest.mark.parametrize(
        ("url", "scheme", "authority", "port", "path"),
        [
            ("https://a.example/cat.jpg", "https", "a.example", 443, "/cat.jpg"),
            ("http://a.example", "http", "a.example", 80, "/"),
            ("HTTPS://A.Example/Cat.JPG", "https", "a.example", 443, "/Cat.JPG"),
            ("https://a.example:443/x", "https", "a.example", 443, "/x"),
            ("https://a.example:80/x", "https", "a.example:80", 80, "/x"),
            ("http://a.example:65535/x", "http", "a.example:65535", 65535, "/x"),
            ("https://a.example?q=1", "https", "a.example", 443, "/?q=1"),
            ("https://a.example/x#top", "https", "a.example", 443, "/x"),
            ("https://a.example#@b.example/", "https", "a.example", 443, "/"),
            ("https://a.example/@b.example:1", "https", "a.example", 443, "/@b.example:1"),
            ("https://a.example/a%20b?c=%2F", "https", "a.example", 443, "/a%20b?c=%2F"),
            ("https://a.example/a b?c=d e", "https", "a.example", 443, "/a%20b?c=d%20e"),
            ("https://a.example/Käfer.jpg", "https", "a.example", 443, "/K%C3%A4fer.jpg"),
            ("https://a.example/\\b", "https", "a.example", 443, "/%5Cb"),
            ("https://xn--kfer-loa.example/", "https", "xn--kfer-loa.example", 443, "/"),
            ("https://my_bucket.s3.example/", "https", "my_bucket.s3.example", 443, "/"),
            ("https://1.2.3.4.example/", "https", "1.2.3.4.example", 443, "/"),
            (f"http://{PUBLIC}/", "http", PUBLIC, 80, "/"),
            ("http://[2606:2800:0:0::00AB]/", "http", "[2606:2800::ab]", 80, "/"),
            ("http://[::1]:8080/", "http", "[::1]:8080", 8080, "/"),
        ],
    )
    def test_url_is_parsed(
        self, url: str, scheme: str, authority: str, port: int, path: str
    ) -> None:
        target = Target.parse(url)
        assert (target.scheme, target.authority, target.port) == (scheme, authority, port)
        assert target.path == path

    @pytest.mark.parametrize(
        "url",
        [
            "", " ", "cat.jpg", "/cat.jpg", "//a.example/cat.jpg", "a.example/cat.jpg",
            "a.example:443/cat.jpg", "localhost:8080/cat.jpg", "https", "https:", "https:/",
            "https://", "https:///cat.jpg", "https://?q", "https://#a",
            "https:a.example", "https:/a.example", "https:\\\\a.example\\", "://a.example",
            " https://a.example/", "\u3000https://a.example/",
        ],
    )  # fmt: skip
    def test_text_without_scheme_or_host_is_invalid(self, url: str, network: Network) -> None:
        error = refusal(network, url)
        assert isinstance(error, InvalidRequest)
        assert "https://host/path" in str(error)

    @pytest.mark.parametrize(
        ("url", "reason"),
        [
            *((f"{scheme}a.example/x", "https or http, or s3 for a bucket") for scheme in (
                "file://", "ftp://", "gopher://", "ws://", "s3://", "httpx://", "unix://",
                "data:image/png,", "javascript:", "http+unix://", "jar:http://",
            )),
            *((f"https://{who}@a.example/", "user name") for who in (
                "u", "u:p", "", ":", "b.example",
            )),
            ("https://a.example\\@b.example/", "user name"),
            *((f"http://{host}/", "host") for host in (
                ":80", ":",
                # IPv4 by other spellings
                "127.1", "127.0.1", "2130706433", "0x7f000001", "0x7f.0.0.1", "0x7f.1",
                "0177.0.0.1", "127.0.0.01", "127.0.0.1.", "127.0.0.1..", "0", "0x", "1.2.3.4.5",
                "256.0.0.1", "127.0.0.0x1", "a.0x7f", "a.127", "08.8.8.8", "0x7F.1", "4294967297",
                # names that two readers could read apart
                "a.example.", "a..example", ".a.example", "-a.example", "a-.example", ".", "..",
                "a%2eexample", "%6cocalhost", "127%2e0%2e0%2e1", "a.example%00", "a%0d%0a.example",
                "a.example\\b", "a.example,b.example", "a b.example", "a.example;b", "a!example",
                "\uff11\uff12\uff17.0.0.1", "127。0。0。1", "①②⑦.0.0.1", "\uff4cocalhost",
                "bücher.example", "a.exämple",
                "a\u00ad.example", "a\u200b.example",
                "a" * 64 + ".example", ".".join(["a" * 60] * 5),
                # IPv6
                "[::1", "::1]", "::1", "[]", "[:]", "[::1%25lo]", "[fe80::1%lo]", "[::1]a",
                "[1.2.3.4]", "[::ffff:127.1]", "[v1.a]", "[0::0::1]", "[::12345]", "[[::1]]",
            )),
            *((f"https://a.example:{port}/", "") for port in (
                "0", "00", "22", "81", "444", "8080", "8443", "25", "6379", "65536", "99999", "-1",
                "+443", "0443", "443a", "", " 443", "443 ", "٤٤٣", "0x1bb", "443:443", "1" * 400,
            )),
            *((f"https://a.example/{code}", "control") for code in (
                "\r\nHost: b", "\n", "\t", "\0", "\x1f", "\x7f", "\x85", "\x9f", "\ud800", "\udfff",
            )),
            *((f"https://a.exa{code}mple/", "control") for code in ("\r\n", "\t", "\0")),
            ("\nhttps://a.example/", "control"),
            ("https://a.example/" + "a" * 2048, "longer than 2048"),
        ],
    )  # fmt: skip
    def test_forbidden_url_is_refused_without_a_connection(
        self, url: str, reason: str, network: Network
    ) -> None:
        error = refusal(network, url)
        assert isinstance(error, UrlNotAllowed)
        assert reason in str(error)
        assert (network.looked_up, network.connections) == ([], [])

    def test_longest_url_is_accepted(self, network: Network) -> None:
        url = "https://a.example/".replace("https", "http").ljust(2048, "a")
        assert downloader(network).get(url) == IMAGE

    @pytest.mark.parametrize(
        ("location", "url"),
        [
            ("/b", "https://a.example/b"),
            ("b", "https://a.example/dir/b"),
            ("../b", "https://a.example/b"),
            ("?q=2", "https://a.example/dir/x?q=2"),
            ("//b.example/c", "https://b.example/c"),
            ("http://b.example", "http://b.example/"),
            ("https://b.example/c#d", "https://b.example/c"),
            (" /b ", "https://a.example/b"),
            ("/a b", "https://a.example/a%20b"),
            ("/K\xc3\xa4fer", "https://a.example/K%C3%A4fer"),  # UTF-8 read as Latin-1
            ("\\\\b.example\\c", "https://a.example/dir/%5C%5Cb.example%5Cc"),
            ("/a\tb", "https://a.example/a%09b"),
        ],
    )
    def test_follows(self, location: str, url: str) -> None:
        target = Target.parse("https://a.example/dir/x?q=1").follow(location)
        assert f"{target.scheme}://{target.authority}{target.path}" == url

    @settings(deadline=None)
    @given(st.text(max_size=60), st.text(max_size=60))
    def test_any_text_parses_or_is_refused(self, text: str, more: str) -> None:
        for url in (text, f"https://{text}", f"http://a.example:{text}/{more}"):
            try:
                target = Target.parse(url)
            except (InvalidRequest, UrlNotAllowed):
                continue
            assert target.path.isascii()
            assert target.path.isprintable()
            assert " " not in target.path
            # What was understood is written so that it is understood the same again.
            assert Target.parse(f"{target.scheme}://{target.authority}{target.path}") == target

    @settings(deadline=None)
    @given(st.text(st.characters(max_codepoint=255), max_size=80))
    def test_any_redirect_location_parses_or_is_refused(self, location: str) -> None:
        try:
            target = Target.parse("https://a.example/x").follow(location)
        except (InvalidRequest, UrlNotAllowed):
            return
        assert target.path.isascii()


# IANA's special-purpose registries and multicast, an address or two of each.
SPECIAL = [
    "0.0.0.0", "0.1.2.3", "10.0.0.1", "10.255.255.255", "100.64.0.1", "100.127.255.255",
    "127.0.0.1", "127.255.255.254", "169.254.0.1", "169.254.169.254", "169.254.170.2",
    "169.254.169.253", "169.254.79.129", "172.16.0.1", "172.31.255.255", "192.0.0.1", "192.0.0.8",
    "192.0.0.9", "192.0.0.10", "192.0.0.170", "192.0.2.1", "192.31.196.1", "192.52.193.1",
    "192.88.99.1", "192.88.99.2", "192.168.0.1", "192.168.255.255", "192.175.48.1", "198.18.0.1",
    "198.19.255.255", "198.51.100.1", "203.0.113.1", "224.0.0.1", "224.0.0.251", "239.255.255.255",
    "240.0.0.1", "255.255.255.255",
    "::", "::1", "::2", "100::1", "100:0:0:1::1", "64:ff9b:1::1", "64:ff9b:1:ffff::7f00:1",
    "2001::1", "2001:1::1", "2001:1::2", "2001:1::3", "2001:2::1", "2001:3::1", "2001:4:112::1",
    "2001:10::1", "2001:20::1", "2001:30::1", "2001:1ff:ffff::1", "2001:db8::1", "2002::1",
    "2620:4f:8000::1", "3fff::1", "3fff:fff::1", "5f00::1", "fc00::1", "fd00::1", "fd00:ec2::254",
    "fd00:ec2::23", "fdff:ffff::1", "fe80::1", "fe80::1%1", "febf::1", "fec0::1", "ff02::1",
    "ff0e::1", "1fff::1", "4000::1", "8000::1", "e000::1",
]  # fmt: skip


def disguises(address: str) -> list[str]:
    """An IPv4 address in every dress that IPv6 has for it."""
    v4 = IPv4Address(address)
    number = int(v4)
    high, low = f"{number >> 16:x}", f"{number & 0xFFFF:x}"
    inverse = number ^ 0xFFFFFFFF
    teredo_client = f"2001:0:5db8:d70e:0:0:{inverse >> 16:x}:{inverse & 0xFFFF:x}"
    return [
        f"::ffff:{v4}",  # mapped
        f"::{v4}",  # compatible
        f"::ffff:0:{v4}",  # translated
        f"64:ff9b::{v4}",  # NAT64
        f"64:ff9b:1::{v4}",  # NAT64, local
        f"2002:{high}:{low}::1",  # 6to4
        f"2001:0:{high}:{low}::1",  # Teredo, the server's
        teredo_client,
        f"fe80::5efe:{v4}",  # ISATAP
    ]


class TestAddresses:
    @pytest.mark.parametrize("address", SPECIAL)
    def test_special_addresses_are_refused(self, address: str) -> None:
        assert not is_allowed(address)

    @pytest.mark.parametrize(
        "address", ["127.0.0.1", "10.0.0.1", "169.254.169.254", "192.168.1.1", "0.0.0.0"]
    )
    def test_ipv4_inside_ipv6_is_refused(self, address: str) -> None:
        for disguise in disguises(address):
            assert not is_allowed(disguise), disguise

    @pytest.mark.parametrize(
        "address",
        [
            PUBLIC, PUBLIC_6, "1.0.0.0", "1.1.1.1", "9.255.255.255", "11.0.0.0", "100.63.255.255",
            "100.128.0.0", "126.255.255.255", "128.0.0.0", "169.253.255.255", "169.255.0.0",
            "172.15.255.255", "172.32.0.0", "191.255.255.255", "192.0.1.0", "192.0.3.0",
            "192.88.98.255", "192.88.100.0", "192.167.255.255", "192.169.0.0", "198.17.255.255",
            "198.20.0.0", "203.0.112.255", "203.0.114.0", "223.255.255.255", "2000::1",
            "2001:200::1", "2001:db7::1", "2001:db9::1", "2003::1", "2620:4f:8001::1", "2a00::1",
            "3fff:1000::1",
        ],
    )  # fmt: skip
    def test_public_addresses_beside_special_ranges_are_allowed(self, address: str) -> None:
        assert is_allowed(address)

    @pytest.mark.parametrize("disguise", [f"::ffff:{PUBLIC}", f"64:ff9b::{PUBLIC}"])
    def test_mapped_public_addresses_are_allowed(self, disguise: str) -> None:
        assert is_allowed(disguise)

    @settings(deadline=None)
    @given(st.ip_addresses())
    def test_every_allowed_address_is_global_in_the_standard_library(
        self, address: IPv4Address | IPv6Address
    ) -> None:
        if is_allowed(str(address)):
            assert address.is_global
            assert not address.is_multicast

    @pytest.mark.parametrize(
        "address",
        ["10.1.2.3", "100.64.1.1", "127.0.0.1", "172.20.0.1", "192.168.1.1", "198.19.0.1", "::1",
         "fd12::1", "::ffff:10.1.2.3", "64:ff9b::10.1.2.3", PUBLIC],
    )  # fmt: skip
    def test_private_ranges_are_allowed_for_private_hosts(self, address: str) -> None:
        assert is_allowed(address, private=True)

    @pytest.mark.parametrize(
        "address",
        ["169.254.169.254", "169.254.170.2", "::ffff:169.254.169.254", "64:ff9b::169.254.169.254",
         "2002:a9fe:a9fe::1", "fd00:ec2::254", "fd00:ec2::23", "fe80::1", "0.0.0.0", "::",
         "224.0.0.1", "255.255.255.255", "192.0.2.1", "ff02::1"],
    )  # fmt: skip
    def test_other_special_ranges_are_refused_for_private_hosts(self, address: str) -> None:
        assert not is_allowed(address, private=True)


class TestWhereNamesLead:
    @pytest.mark.parametrize("address", SPECIAL)
    def test_name_with_a_special_address_is_refused(self, address: str, network: Network) -> None:
        network.names["b.example"] = [[address]]
        urls = ["http://b.example/"]
        if "%" not in address:
            urls.append(f"http://[{address}]/" if ":" in address else f"http://{address}/")
        for url in urls:
            error = refusal(network, url)
            assert isinstance(error, FetchFailed)
            assert str(error) == UNREACHABLE
        assert network.connections == []

    @pytest.mark.parametrize(
        "answers",
        [[PUBLIC, "10.0.0.1"], ["10.0.0.1", PUBLIC], [PUBLIC, PUBLIC_6, "::ffff:127.0.0.1"]],
    )
    def test_one_special_address_among_several_is_refused(
        self, answers: list[str], network: Network
    ) -> None:
        network.names["b.example"] = [answers]
        assert str(refusal(network, "http://b.example/")) == UNREACHABLE
        assert network.connections == []

    def test_rebinding_name_is_looked_up_once(self, network: Network) -> None:
        network.names["b.example"] = [[PUBLIC], ["127.0.0.1"]]
        assert downloader(network).get("http://b.example/") == IMAGE
        assert network.looked_up == ["b.example"]
        assert network.connections == [(PUBLIC, 80)]

    def test_name_is_looked_up_again_after_a_redirect(self, network: Network) -> None:
        network.names["b.example"] = [[PUBLIC], ["127.0.0.1"]]
        network.servers[PUBLIC] = [redirect("/again"), OK]
        assert str(refusal(network, "http://b.example/")) == UNREACHABLE
        assert network.connections == [(PUBLIC, 80)]

    @pytest.mark.parametrize("answers", [[], None])
    def test_unknown_name_and_refused_address_answer_alike(
        self, answers: list[str] | None, network: Network
    ) -> None:
        if answers is not None:
            network.names["b.example"] = [answers]
        error = refusal(network, "http://b.example/")
        assert isinstance(error, FetchFailed)
        assert str(error) == UNREACHABLE

    @pytest.mark.parametrize(
        "failure", [ConnectionRefusedError(), OSError(101, "unreachable"), PermissionError()]
    )
    def test_unreachable_server_and_refused_address_answer_alike(
        self, failure: OSError, network: Network
    ) -> None:
        network.servers[PUBLIC] = [failure]
        error = refusal(network, "http://a.example/")
        assert isinstance(error, FetchFailed)
        assert str(error) == UNREACHABLE

    def test_addresses_are_tried_in_order(self, network: Network) -> None:
        network.names["a.example"] = [[PUBLIC_6, PUBLIC_6, "1.1.1.1", PUBLIC, "9.9.9.9"]]
        network.servers |= {PUBLIC_6: [OSError(101, "unreachable")], "1.1.1.1": [TimeoutError()]}
        assert downloader(network, clock=lambda: 0.0).get("http://a.example/") == IMAGE
        assert network.connections == [(PUBLIC_6, 80), ("1.1.1.1", 80), (PUBLIC, 80)]
        assert network.time_given == pytest.approx([5 / 4, 5 / 3, 5 / 2])  # of what is left

    def test_literal_address_is_not_looked_up(self, network: Network) -> None:
        network.servers[PUBLIC_6] = [OK]
        assert downloader(network).get(f"http://{PUBLIC}/") == IMAGE
        assert downloader(network).get(f"http://[{PUBLIC_6}]/") == IMAGE
        assert network.looked_up == []
        assert network.connections == [(PUBLIC, 80), (PUBLIC_6, 80)]
        assert f"Host: [{PUBLIC_6}]\r\n".encode() in network.request()

    def test_system_resolver_finds_localhost(self) -> None:
        sent_away = TimedDownloader()
        with pytest.raises(FetchFailed, match="could not be reached"):
            sent_away.get("http://localhost/")


class TestSettings:
    def test_hosts_outside_allowed_hosts_are_refused(self, network: Network) -> None:
        allowed = frozenset({"a.example"})
        assert downloader(network, allowed_hosts=allowed).get("http://A.example/") == IMAGE
        for host in ("b.example", "x.a.example", "a.example.b.example", PUBLIC):
            error = refusal(network, f"http://{host}/", allowed_hosts=allowed)
            assert isinstance(error, UrlNotAllowed)
        assert network.looked_up == ["a.example"]

    def test_redirect_outside_allowed_hosts_is_refused(self, network: Network) -> None:
        network.servers[PUBLIC] = [redirect("http://b.example/")]
        error = refusal(network, "http://a.example/", allowed_hosts=frozenset({"a.example"}))
        assert isinstance(error, FetchFailed)
        assert str(error) == UNREACHABLE
        assert network.looked_up == ["a.example"]

    def test_allowed_host_may_not_be_private(self, network: Network) -> None:
        network.names["a.example"] = [["10.0.0.1"]]
        error = refusal(network, "http://a.example/", allowed_hosts=frozenset({"a.example"}))
        assert str(error) == UNREACHABLE

    @pytest.mark.parametrize(
        ("entry", "urls", "refused"),
        [
            (("in.example", None), ["http://in.example/", "https://in.example:80/"],
             ["http://in.example:8080/"]),
            (("in.example", 8080), ["http://in.example:8080/"], ["http://in.example:81/"]),
            (("10.0.0.1", 8080), ["http://10.0.0.1:8080/"], ["http://10.0.0.1:81/"]),
        ],
    )  # fmt: skip
    def test_private_host_may_be_private_on_its_port(
        self, entry: tuple[str, int | None], urls: list[str], refused: list[str], network: Network
    ) -> None:
        network.names["in.example"] = [["10.0.0.1"]]
        network.servers["10.0.0.1"] = [OK]
        settings = {"private_hosts": frozenset({entry}), "allowed_hosts": frozenset({"a.example"})}
        for url in urls:
            if url.startswith("https"):  # gets as far as TLS, which the server does not speak
                assert "No secure connection" in str(refusal(network, url, **settings))
            else:
                assert downloader(network, **settings).get(url) == IMAGE
        assert len(network.connections) == len(urls)
        for url in refused:
            assert isinstance(refusal(network, url, **settings), UrlNotAllowed)

    def test_other_ports_of_a_private_host_are_refused(self, network: Network) -> None:
        network.names["in.example"] = [["10.0.0.1"]]
        private = frozenset({("in.example", 8080)})
        assert str(refusal(network, "http://in.example/", private_hosts=private)) == UNREACHABLE
        assert isinstance(
            refusal(network, "http://a.example:8080/", private_hosts=private), UrlNotAllowed
        )
        assert network.connections == []

    @pytest.mark.parametrize(
        "address", ["169.254.169.254", "::ffff:a9fe:a9fe", "fd00:ec2::254", "fe80::1%2"]
    )
    def test_private_host_may_not_be_link_local(self, address: str, network: Network) -> None:
        network.names["in.example"] = [[address]]
        private = frozenset({("in.example", None)})
        assert str(refusal(network, "http://in.example/", private_hosts=private)) == UNREACHABLE
        assert network.connections == []


class TestExchange:
    def test_request_has_these_headers_alone(
        self, network: Network, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "ALL_PROXY"):
            monkeypatch.setenv(name, "http://10.0.0.1:3128")
        network.servers[PUBLIC] = [
            response(b"", "Location: /b", "Set-Cookie: a=b; Path=/", status="302 Found"),
            OK,
        ]
        assert downloader(network).get("http://a.example:80/a?q=1#f") == IMAGE
        assert network.connections == [(PUBLIC, 80)] * 2
        for number, path in enumerate((b"/a?q=1", b"/b")):
            assert network.request(number) == (
                b"GET " + path + b" HTTP/1.1\r\n"
                b"Host: a.example\r\n"
                b"Accept: image/jpeg, image/png, image/webp, */*;q=0.1\r\n"
                b"Accept-Encoding: identity\r\n"
                b"User-Agent: test\r\n"
                b"Connection: close\r\n\r\n"
            )

    @pytest.mark.parametrize(
        "answer",
        [
            OK,
            response(IMAGE),
            b"HTTP/1.0 200 OK\r\n\r\n" + IMAGE,
            response(IMAGE, "Content-Encoding: identity"),
            response(IMAGE + b"beyond", f"Content-Length: {len(IMAGE)}"),
            response(IMAGE, "Content-Length: many"),
            response(IMAGE, "Content-Length: -1"),
            response(
                b"4\r\n%s\r\n5;x=y\r\n%s\r\n0\r\nX: y\r\n\r\n" % (IMAGE[:4], IMAGE[4:]),
                "Transfer-Encoding: Chunked",
            ),
            response(b"", status="100 Continue") + OK,
            response(b"", "Link: </a.css>", status="103 Early Hints") * 3 + OK,
            *(response(IMAGE, f"Content-Encoding: {coding}") for coding in (
                "base64", "UTF-8", "aws-chunked", "none", "binary",
            )),
        ],
    )  # fmt: skip
    def test_body_is_read_in_every_framing(self, answer: bytes, network: Network) -> None:
        network.servers[PUBLIC] = [answer]
        assert downloader(network).get("http://a.example/") == IMAGE

    @pytest.mark.parametrize(
        ("answer", "says"),
        [
            *((response(b"", status=f"{status} X"), f"status {status}")
              for status in (201, 204, 206, 300, 304, 400, 401, 403, 404, 410, 418, 429, 500, 503)),
            (response(b"", status="302 Found"), "status 302"),
            (response(b"x", "Content-Encoding: gzip"), "compressed"),
            (response(b"x", "Content-Encoding: br"), "compressed"),
            (response(b"x", "Content-Encoding: identity, gzip"), "compressed"),
            (response(b"x", "Transfer-Encoding: gzip, chunked"), "compressed"),
            (response(IMAGE, "Content-Length: 999"), "broke the connection off"),
            (b"", "broke the connection off"),
            (response(b"4\r\nab", "Transfer-Encoding: chunked"), "valid HTTP"),
            (response(b"zz\r\nab", "Transfer-Encoding: chunked"), "valid HTTP"),
            (response(b"", "Transfer-Encoding: chunked"), "valid HTTP"),
            (response(b"-5\r\nab\r\n", "Transfer-Encoding: chunked"), "valid HTTP"),
            (response(b"-1\r\n" + b"a" * 150_000, "Transfer-Encoding: chunked"), "valid HTTP"),
            (b"SSH-2.0-OpenSSH_9.9\r\n", "valid HTTP"),
            (b"\x16\x03\x01\x02\x00", "valid HTTP"),
            (b"HTTP/2 200 OK\r\n\r\n", "valid HTTP"),
            (b"HTTP/1.1 2000 OK\r\n\r\n", "valid HTTP"),
            (b"HTTP/1.1 200 " + b"a" * 70_000, "valid HTTP"),
            (response(b"", *(f"X-{number}: a" for number in range(200))), "valid HTTP"),
            (response(b"", "X: " + "a" * 70_000), "valid HTTP"),
        ],
    )  # fmt: skip
    def test_unusable_answer_names_its_fault(
        self, answer: bytes, says: str, network: Network
    ) -> None:
        network.servers[PUBLIC] = [answer]
        error = refusal(network, "http://a.example/")
        assert isinstance(error, FetchFailed)
        assert says in str(error)

    def test_largest_body_is_accepted(self, network: Network) -> None:
        for headers in ([], ["Content-Length: 1000"]):
            network.servers[PUBLIC] = [response(b"a" * 1000, *headers)]
            assert downloader(network).get("http://a.example/") == b"a" * 1000

    @pytest.mark.parametrize(
        "answer",
        [
            response(b"a" * 1001),
            response(b"a" * 1001, "Content-Length: 1001"),
            response(b"", "Content-Length: 99999999999999999999"),
            response(b"3e9\r\n" + b"a" * 1001 + b"\r\n0\r\n\r\n", "Transfer-Encoding: chunked"),
        ],
    )
    def test_larger_body_is_refused(self, answer: bytes, network: Network) -> None:
        network.servers[PUBLIC] = [answer]
        error = refusal(network, "http://a.example/")
        assert isinstance(error, ImageTooLarge)
        assert str(error) == "The image is larger than 1000 bytes."


class TestRedirects:
    @pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
    def test_follows(self, status: int, network: Network) -> None:
        network.names["b.example"] = [["9.9.9.9"]]
        network.servers |= {
            PUBLIC: [redirect("http://b.example/c", status)],
            "9.9.9.9": [redirect("/d", status), redirect(f"http://{PUBLIC}/e", status)],
        }
        network.servers[PUBLIC] = [redirect("http://b.example/c", status), OK]
        assert downloader(network).get("http://a.example/") == IMAGE
        assert [host for host, _ in network.connections] == [PUBLIC, "9.9.9.9", "9.9.9.9", PUBLIC]

    def test_redirect_loop_is_refused(self, network: Network) -> None:
        network.servers[PUBLIC] = [redirect("/again")]
        error = refusal(network, "http://a.example/")
        assert isinstance(error, FetchFailed)
        assert "redirects more than 5 times" in str(error)
        assert len(network.connections) == 6

    @pytest.mark.parametrize(
        "location",
        [
            "http://127.0.0.1/", "http://[::1]/", "http://169.254.169.254/latest/meta-data/",
            "http://in.example/", "//in.example/", "http://nowhere.example/", "http://127.1/",
            "http://0x7f000001/", "http://u:p@a.example/", "http://a.example:22/", "file:///etc/passwd",
            "ftp://a.example/", "http://[", "gopher://a.example:6379/_x", "http://a%2eexample/",
            "http://[::ffff:127.0.0.1]/", "javascript:1", "http://\xff/", "http://127.0.0.1\\@a.example/",
        ],
    )  # fmt: skip
    def test_redirect_to_a_forbidden_address_is_refused(
        self, location: str, network: Network
    ) -> None:
        network.names["in.example"] = [["10.0.0.1"]]
        network.servers[PUBLIC] = [
            b"HTTP/1.1 302 Found\r\nLocation: " + location.encode("latin-1") + b"\r\n\r\n"
        ]
        error = refusal(network, "http://a.example/")
        assert isinstance(error, FetchFailed)
        assert str(error) == UNREACHABLE
        assert network.connections == [(PUBLIC, 80)]


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


class TestDeadline:
    def test_connection_gets_the_remaining_time(self, network: Network) -> None:
        clock = Clock()

        def slow_resolve(name: str) -> Sequence[str]:
            clock.now += 2
            return network.resolve(name)

        download = downloader(network, resolve=slow_resolve, clock=clock)
        assert download.get("http://a.example/") == IMAGE
        assert download.get("http://a.example/", deadline=clock.now + 2.5) == IMAGE
        assert download.get("http://a.example/", deadline=clock.now + 99) == IMAGE
        assert network.time_given == pytest.approx([3, 0.5, 3])

    def test_passed_deadline_makes_no_connection(self, network: Network) -> None:
        clock = Clock()
        with pytest.raises(FetchTimeout):
            downloader(network, clock=clock).get("http://a.example/", deadline=clock.now)
        assert (network.looked_up, network.connections) == ([], [])

    def test_hanging_look_up_times_out(self, network: Network) -> None:
        release = threading.Event()

        def hang(_name: str) -> Sequence[str]:
            release.wait(10)
            return [PUBLIC]

        try:
            error = refusal(network, "http://a.example/", resolve=hang, timeout_s=0.05)
        finally:
            release.set()
        assert isinstance(error, FetchTimeout)
        assert network.connections == []

    def test_hanging_connection_times_out(self, network: Network) -> None:
        network.servers[PUBLIC] = [TimeoutError()]
        assert isinstance(refusal(network, "http://a.example/"), FetchTimeout)

    def test_deadline_spans_redirects(self, network: Network) -> None:
        clock = Clock()

        def slowly() -> bytes:
            clock.now += 2
            return redirect("/again")

        network.servers[PUBLIC] = [slowly]
        assert isinstance(refusal(network, "http://a.example/", clock=clock), FetchTimeout)
        assert len(network.connections) == 3

    def test_deadline_spans_a_dripping_body(self, network: Network) -> None:
        clock = Clock()

        class Dripping(socket.socket):
            def recv_into(self, buffer: memoryview, *_: int) -> int:  # type: ignore[override]
                clock.now += 0.5
                return super().recv_into(buffer[:1])

        def connect(address: tuple[str, int], timeout: float) -> socket.socket:
            with network.connect(address, timeout) as made:
                return Dripping(fileno=made.detach())

        error = refusal(network, "http://a.example/", connect=connect, clock=clock)
        assert isinstance(error, FetchTimeout)
        assert clock.now == pytest.approx(105, abs=0.5)


def test_errors_name_no_host_or_address(network: Network) -> None:
    network.names |= {"secret.example": [["10.11.12.13"]], "down.example": [["9.9.9.9"]]}
    network.servers["9.9.9.9"] = [OSError("cannot reach 9.9.9.9 (down.example)")]
    urls = [
        "http://secret.example/", "http://down.example/", "http://unknown.example/secret?token=secret",
        "http://secret:secret@a.example/", "ftp://secret/", "http://secret.example:99/",
        "http://sec ret/", "https://a.example/secret", "secret", "http:///secret", "http://0x7f.1/",
    ]  # fmt: skip
    for url in urls:
        error = refusal(network, url)
        for part in ("secret", "unknown", "down", "10.11.12.13", "9.9.9.9", "a.example", "0x7f"):
            assert part not in str(error), url
        assert error.__cause__ is None
        assert error.__suppress_context__ or error.__context__ is None


def test_threads_share_a_downloader(network: Network) -> None:
    started = threading.Barrier(8)

    def wait_for_the_others(name: str) -> Sequence[str]:
        started.wait(5)  # breaks unless eight look-ups run at the same time
        return network.names[name][0]

    download = downloader(network, resolve=wait_for_the_others)
    with ThreadPoolExecutor(8) as pool:
        bodies = list(pool.map(download.get, ["http://a.example/"] * 8))
    assert bodies == [IMAGE] * 8
