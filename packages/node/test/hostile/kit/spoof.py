"""Sends UDP packets with forged source addresses (raw sockets: root on Linux).

Reads records from standard input: source (4 bytes), its port (2), destination (4), its port (2), length (2), payload;
numbers are big-endian.
"""
import socket
import struct
import sys

raw = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)
raw.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4 << 20)
source = sys.stdin.buffer
while True:
    head = source.read(14)
    if len(head) < 14:
        break
    from_ip, from_port, to_ip, to_port, length = struct.unpack("!4sH4sHH", head)
    payload = source.read(length)
    # The kernel fills in the length, the id and the checksum of the IP header; a UDP checksum of 0 is none.
    ip = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 0, 0, 0, 64, 17, 0, from_ip, to_ip)
    udp = struct.pack("!HHHH", from_port, to_port, 8 + length, 0)
    try:
        raw.sendto(ip + udp + payload, (socket.inet_ntoa(to_ip), 0))
    except OSError as error:
        print(error, file=sys.stderr)
