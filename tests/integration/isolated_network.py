"""test_download.py runs this as root of a new network namespace, which no packet leaves.

Its loopback interface has public, private and link-local addresses. A name server of our own
resolves the names, one server is the public internet, and every connection to another address is
recorded. The downloader runs as in production, with the system's resolver and real connections.
Prints the outcomes as JSON.
"""

import json
import socket
import struct
import subprocess
import tempfile
import threading
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from classifier.errors import RequestError
from classifier.fetch.download import Downloader
from classifier.net.deadline import Deadline

PUBLIC = "93.184.215.14"
INSIDE = [
    "127.0.0.1", "10.0.0.5", "100.64.0.5", "172.16.0.5", "192.168.0.5", "169.254.169.254",
    "169.254.170.2", "198.18.0.5", "::1", "fd12::5", "fd00:ec2::254", "2001:db8::5",
]  # fmt: skip
NAMES = {
    "public.example": [PUBLIC],
    "mixed.example": [PUBLIC, "10.0.0.5"],
    "mixed6.example": [PUBLIC, "fd12::5"],
    "mapped.example": ["::ffff:127.0.0.1"],
    "nat64.example": ["64:ff9b::7f00:1"],
    "6to4.example": ["2002:7f00:1::1"],
    "zero.example": ["0.0.0.0"],
    **{f"inside{number}.example": [address] for number, address in enumerate(INSIDE)},
}
URLS = [
    "http://public.example/",
    "http://rebind.example/",
    "http://rebind.example/again",
    "http://silent.example/",
    "http://unknown.example/",
    *(f"http://{name}/" for name in NAMES if name != "public.example"),
    *(f"https://{name}/" for name in NAMES if name.startswith("inside")),
    *(f"http://{f'[{address}]' if ':' in address else address}/" for address in INSIDE),
    *(f"http://public.example/to/{number}" for number in range(len(INSIDE))),
    "http://localhost/", "http://0.0.0.0/", "http://[::]/", "http://[::ffff:127.0.0.1]/",
    "http://[::ffff:a9fe:a9fe]/", "http://[::127.0.0.1]/", "http://127.1/", "http://2130706433/",
    "http://0x7f.1/", "http://0177.0.0.1/", "http://0/", "http://127.0.0.1.:80/",
    "http://public.example@127.0.0.1/", "http://127.0.0.1\\@public.example/",
    "http://127.0.0.1%00.public.example/", "http://ⓛocalhost/", "http://localhost%2e/",
]  # fmt: skip
IMAGE = b"\xff\xd8\xff image"


def prepare() -> None:
    if [name for _, name in socket.if_nameindex()] != ["lo"]:
        raise SystemExit("run it in a network namespace of its own: unshare --net --mount")
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    for address in [PUBLIC, *INSIDE]:
        if address not in ("127.0.0.1", "::1"):
            length = 128 if ":" in address else 32
            subprocess.run(["ip", "address", "add", f"{address}/{length}", "dev", "lo"], check=True)
    with tempfile.NamedTemporaryFile("w", suffix=".conf") as conf:
        conf.write("nameserver 127.0.0.1\noptions timeout:1 attempts:1\n")
        conf.flush()
        resolv = Path("/etc/resolv.conf").resolve()
        subprocess.run(["mount", "--bind", conf.name, str(resolv)], check=True)


def serve_names(server: socket.socket) -> None:
    """A name server (RFC 1035) for one question, A or AAAA; its records have a lifetime of 0."""
    queries: Counter[tuple[str, int]] = Counter()
    while True:
        query, client = server.recvfrom(512)
        labels, at = [], 12
        while length := query[at]:
            labels.append(query[at + 1 : at + 1 + length].decode())
            at += 1 + length
        (kind,) = struct.unpack_from(">H", query, at + 1)
        name = ".".join(labels).lower()
        queries[name, kind] += 1
        if name == "silent.example":
            continue
        addresses = NAMES.get(name, [])
        if name == "rebind.example":
            addresses = [PUBLIC] if queries[name, kind] == 1 else ["127.0.0.1"]
        family = {1: socket.AF_INET, 28: socket.AF_INET6}.get(kind)
        packed = [
            socket.inet_pton(family, address)
            for address in addresses
            if family == (socket.AF_INET6 if ":" in address else socket.AF_INET)
        ]
        code = 0 if addresses else 3  # NXDOMAIN
        head = query[:2] + struct.pack(">HHHHH", 0x8580 | code, 1, len(packed), 0, 0)
        records = (b"\xc0\x0c" + struct.pack(">HHIH", kind, 1, 0, len(a)) + a for a in packed)
        server.sendto(head + query[12 : at + 5] + b"".join(records), client)


def serve_public(listener: socket.socket) -> None:
    while True:
        connection, _ = listener.accept()
        with connection, suppress(OSError):
            path = connection.recv(65536).split()[1].decode()
            if path.startswith("/to/"):
                address = INSIDE[int(path.removeprefix("/to/"))]
                host = f"[{address}]" if ":" in address else address
                head = f"HTTP/1.1 302 Found\r\nLocation: http://{host}/\r\n\r\n"
                connection.sendall(head.encode())
            else:
                connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n" + IMAGE)


def record(listener: socket.socket, reached: list[str]) -> None:
    while True:
        connection, _ = listener.accept()
        reached.append(connection.getsockname()[0])
        connection.close()


def listening(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # On a shared port, the listener of one address has precedence over that of all addresses.
    return socket.create_server((host, port), family=family, reuse_port=True)


def main() -> None:
    prepare()
    reached: list[str] = []
    names = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    names.bind(("127.0.0.1", 53))
    tasks: list[tuple[Callable[..., None], tuple[object, ...]]] = [
        (serve_names, (names,)),
        (serve_public, (listening(PUBLIC, 80),)),
    ]
    tasks += [
        (record, (listening(host, port), reached))
        for host in ("0.0.0.0", "::")
        for port in (80, 443)
    ]
    for task, arguments in tasks:
        threading.Thread(target=task, args=arguments, daemon=True).start()

    download = Downloader(
        allowed_hosts=frozenset(), private_hosts=frozenset(), max_bytes=1000, user_agent="test"
    )
    outcomes = {}
    for url in URLS:
        try:
            body = download.get(url, Deadline.after(0.5))
            outcomes[url] = "image" if body == IMAGE else repr(body)
        except RequestError as error:
            outcomes[url] = f"{type(error).__name__}: {error}"
    inside = list(reached)

    unguarded = []
    for address in INSIDE:
        with socket.create_connection((address, 80), timeout=1) as connection:
            connection.recv(1)
        unguarded.append(reached[-1])
    print(
        json.dumps(
            {"outcomes": outcomes, "inside": inside, "unguarded": unguarded, "addresses": INSIDE}
        )
    )


if __name__ == "__main__":
    main()
