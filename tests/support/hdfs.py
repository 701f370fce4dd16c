"""A name node and a data node on loopback that speak as much of HDFS' protocol as reading takes.

The messages are those of `ClientNamenodeProtocol.proto`, `hdfs.proto`, `RpcHeader.proto` and `datatransfer.proto`.
"""

import contextlib
import socketserver
import struct
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from io import BytesIO
from typing import BinaryIO

_SINCE_1970 = 1795401600000
_PACKET_BYTES = 65536
_CHUNK_BYTES = 512
_SUCCESS, _ERROR = 0, 1
_FILE, _FOLDER = 2, 1
# The kinds of a checksum, of which there is none, and of a request to read.
_NO_CHECKSUM, _READ_BLOCK = 0, 81

Fields = dict[int, int | bytes]


def varint(number: int) -> bytes:
    encoded = bytearray()
    while number > 127:
        encoded.append(number & 127 | 128)
        number >>= 7
    return bytes([*encoded, number])


def message(*fields: tuple[int, int | str | bytes]) -> bytes:
    """A message of Protocol Buffers: numbers and values of its fields."""
    encoded = b""
    for number, value in fields:
        if isinstance(value, int):
            encoded += varint(number << 3) + varint(value)
        else:
            content = value.encode() if isinstance(value, str) else value
            encoded += varint(number << 3 | 2) + delimited(content)
    return encoded


def delimited(content: bytes) -> bytes:
    return varint(len(content)) + content


def read_varint(file: BinaryIO) -> int:
    number = shift = 0
    while True:
        (byte,) = file.read(1)
        number |= (byte & 127) << shift
        shift += 7
        if byte < 128:
            return number


def read_message(file: BinaryIO) -> Fields:
    """The fields of a delimited message."""
    return parse(file.read(read_varint(file)))


def parse(content: bytes) -> Fields:
    file, fields = BytesIO(content), Fields()
    while file.tell() < len(content):
        key = read_varint(file)
        fields[key >> 3] = read_varint(file) if key & 7 == 0 else file.read(read_varint(file))
    return fields


def number_of(fields: Fields, number: int) -> int:
    value = fields.get(number, 0)
    assert isinstance(value, int)
    return value


def bytes_of(fields: Fields, number: int) -> bytes:
    value = fields.get(number, b"")
    assert isinstance(value, bytes)
    return value


@dataclass
class Hdfs:
    """A file system.

    Attributes:
        url: the URL of its root.
        files: contents by their paths.
        breaks_off: whether the data node ends each connection in the middle of a file.
        refuses: whether the name node lets nobody see anything.
        opened: the paths that were read at the data node.
    """

    url: str = ""
    files: dict[str, bytes] = field(default_factory=dict)
    breaks_off: bool = False
    refuses: bool = False
    opened: list[str] = field(default_factory=list)
    data_port: int = 0

    def names_in(self, folder: str) -> list[str]:
        """The names of what is in a folder."""
        start = folder.rstrip("/") + "/"
        return sorted({path[len(start) :].split("/")[0] for path in self.files if path.startswith(start)})

    def status(self, path: str, name: str = "", *, is_located: bool = False) -> bytes:
        """What is said of a file or a folder."""
        content = self.files.get(path)
        kind, size = (_FOLDER, 0) if content is None else (_FILE, len(content))
        permission = message((1, 0o755))
        told: list[tuple[int, int | str | bytes]] = [
            (1, kind),
            (2, name),
            (3, size),
            (4, permission),
            (5, "hdfs"),
            (6, "supergroup"),
        ]
        places = [(12, self.locations(path))] if is_located and content is not None else []
        return message(*told, (7, _SINCE_1970), (8, _SINCE_1970), (10, 1), (11, 2**27), *places)

    def answer(self, method: str, request: Fields) -> bytes:
        """What the name node answers.

        Raises:
            FileNotFoundError: there is no such file.
        """
        path = bytes_of(request, 1).decode().rstrip("/") or "/"
        if method == "getServerDefaults":
            return message((1, message((1, 2**27), (2, _CHUNK_BYTES), (3, _PACKET_BYTES), (4, 1), (5, 4096))))
        if path not in self.files and not self.names_in(path):
            if method == "getBlockLocations":
                raise FileNotFoundError(path)
            return b""
        if method == "getFileInfo":
            return message((1, self.status(path)))
        if method == "getListing":
            located = bool(request.get(3))
            own = [(path, "")] if path in self.files else [(f"{path.rstrip('/')}/{n}", n) for n in self.names_in(path)]
            return message((1, message(*((1, self.status(*each, is_located=located)) for each in own), (2, 0))))
        assert method == "getBlockLocations", method
        return message((1, self.locations(path)))

    def locations(self, path: str) -> bytes:
        """Where the only block of a file is, if it has one."""
        size = len(self.files[path])
        node = message((1, "127.0.0.1"), (2, "localhost"), (3, "node"), (4, self.data_port), (5, 1), (6, 1))
        token = message((1, b""), (2, b""), (3, ""), (4, ""))
        block = message((1, "pool"), (2, sorted(self.files).index(path)), (3, 1), (4, size))
        located = message((1, block), (2, 0), (3, message((1, node), (8, "/default-rack"))), (4, 0), (5, token))
        return message((1, size), *([(2, located)] if size else []), (3, 0), (5, 1))


class _NameNode(socketserver.StreamRequestHandler):
    hdfs: Hdfs

    def handle(self) -> None:
        """Answer calls, as long as they come."""
        assert self.rfile.read(7) == b"hrpc\x09\x00\x00"
        while size := self.rfile.read(4):
            frame = BytesIO(self.rfile.read(int.from_bytes(size)))
            header = read_message(frame)
            call = number_of(header, 3)  # in zigzag, so odd numbers are negative: those of the connection itself
            if call & 1:
                continue
            method = bytes_of(read_message(frame), 1).decode()
            self.reply(call >> 1, *self.answer(method, read_message(frame)))

    def answer(self, method: str, request: Fields) -> tuple[tuple[tuple[int, int | str | bytes], ...], bytes]:
        """The fields of the answer's header, and its content."""
        if self.hdfs.refuses:
            name = "org.apache.hadoop.security.AccessControlException"
            return ((2, _ERROR), (4, name), (5, 'Permission denied: user=root, access=READ, inode="/data"')), b""
        try:
            return ((2, _SUCCESS),), delimited(self.hdfs.answer(method, request))
        except FileNotFoundError as error:
            return ((2, _ERROR), (4, "java.io.FileNotFoundException"), (5, f"File does not exist: {error}")), b""

    def reply(self, call: int, fields: tuple[tuple[int, int | str | bytes], ...], content: bytes) -> None:
        """Send an answer."""
        frame = delimited(message((1, call), *fields)) + content
        self.wfile.write(len(frame).to_bytes(4) + frame)


class _DataNode(socketserver.StreamRequestHandler):
    hdfs: Hdfs

    def handle(self) -> None:
        """Send blocks, as long as they are asked for."""
        while start := self.rfile.read(3):
            assert start[2] == _READ_BLOCK
            request = read_message(self.rfile)  # type: ignore[arg-type]
            block = parse(bytes_of(parse(bytes_of(parse(bytes_of(request, 1)), 1)), 1))
            path = sorted(self.hdfs.files)[number_of(block, 2)]
            self.hdfs.opened.append(path)
            if not self.send(self.hdfs.files[path], number_of(request, 2), number_of(request, 3)):
                return
            read_message(self.rfile)  # type: ignore[arg-type] # the status

    def send(self, content: bytes, offset: int, length: int) -> bool:
        """Send a part of a block; return whether it is whole."""
        begin, end = offset - offset % _CHUNK_BYTES, offset + length
        checksum = message((1, message((1, _NO_CHECKSUM), (2, _CHUNK_BYTES))), (2, begin))
        self.wfile.write(delimited(message((1, _SUCCESS), (4, checksum))))
        for number, start in enumerate(range(begin, end, _PACKET_BYTES)):
            piece = content[start : min(start + _PACKET_BYTES, end)]
            if self.hdfs.breaks_off:
                self.send_packet(start, number, piece, piece[: len(piece) // 2])
                return False
            self.send_packet(start, number, piece, piece)
        self.send_packet(end, -1, b"", b"")
        return True

    def send_packet(self, offset: int, number: int, piece: bytes, sent: bytes) -> None:
        """Send a packet: its sizes, a header of fixed numbers, and data, of which some may be left out."""
        is_last = not piece
        header = b"\x09" + struct.pack("<q", offset) + b"\x11" + struct.pack("<q", number)
        header += b"\x18" + bytes([is_last]) + b"\x25" + struct.pack("<i", len(piece))
        self.wfile.write(struct.pack(">ih", 4 + len(piece), len(header)) + header + sent)


class _Server(socketserver.ThreadingTCPServer):
    daemon_threads = allow_reuse_address = True

    def handle_error(self, *_: object) -> None:
        """Say nothing: clients may go away at any time."""


@contextlib.contextmanager
def running_hdfs() -> Iterator[Hdfs]:
    """A name node and a data node."""
    hdfs = Hdfs()
    with _serving(_DataNode, hdfs) as hdfs.data_port, _serving(_NameNode, hdfs) as port:
        hdfs.url = f"hdfs://127.0.0.1:{port}"
        yield hdfs


@contextlib.contextmanager
def _serving(base: type[socketserver.StreamRequestHandler], hdfs: Hdfs) -> Iterator[int]:
    """A server; its port."""
    server = _Server(("127.0.0.1", 0), type("Handler", (base,), {"hdfs": hdfs}))
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
