"""A DNS server and a DNS client, as a program for network namespaces.

dns_peer.py serve ADDRESS PORT NAME
dns_peer.py ask ADDRESS PORT NAME TYPE
"""

import json
import socket
import sys

from mitmproxy import dns
from mitmproxy.net.dns import https_records, types

TYPES = {"A": types.A, "AAAA": types.AAAA, "HTTPS": types.HTTPS}
# What makes a device hide the name in its TLS, and use HTTP/3.
HTTPS_PARAMETERS = {
    https_records.SVCParamKeys.ALPN.value: b"\x02h3\x02h2",
    https_records.SVCParamKeys.ECH.value: b"key of another server",
}


def serve(address: str, port: int, name: str) -> None:
    """Answer look-ups of HTTPS records for `name`, and nothing else."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind((address, port))
        print("listening on dns", flush=True)
        while True:
            data, client = server.recvfrom(4096)
            query = dns.DNSMessage.unpack(data)
            question = query.questions[0]
            answers = []
            if question.name == name and question.type == types.HTTPS:
                record = https_records.HTTPSRecord(1, "", dict(HTTPS_PARAMETERS))
                answers = [dns.ResourceRecord.HTTPS(name, record)]
            server.sendto(query.succeed(answers).packed, client)


def ask(address: str, port: int, name: str, kind: str) -> None:
    """Print the answer to a look-up as JSON: its code, and its records."""
    question = dns.Question(name, TYPES[kind], 1)
    query = dns.DNSMessage(
        id=7,
        query=True,
        op_code=0,
        authoritative_answer=False,
        truncation=False,
        recursion_desired=True,
        recursion_available=False,
        reserved=0,
        response_code=0,
        questions=[question],
        answers=[],
        authorities=[],
        additionals=[],
    )
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.settimeout(5)
        client.sendto(query.packed, (address, port))
        answer = dns.DNSMessage.unpack(client.recv(4096))
    records = [str(each) if each.type != types.HTTPS else [each.https_ech, _text(each)] for each in answer.answers]
    print(json.dumps({"code": answer.response_code, "records": records}))


def _text(record: dns.ResourceRecord) -> list[str]:
    return [name.decode() for name in record.https_alpn or ()]


if __name__ == "__main__":
    _, action, listening, number, *rest = sys.argv
    if action == "serve":
        serve(listening, int(number), *rest)
    else:
        ask(listening, int(number), *rest)
