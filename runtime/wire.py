"""Bytes, read and written by the same lines: `height = wire.varint(height)`.

A `Writer` appends what it is given and returns it. A `Reader` ignores what it is given and returns what the bytes say.
"""


class BitstreamError(ValueError):
    """A file that is not a valid `.inr`: the message says what was wanted and what came."""


class Writer:
    """Appends fields to `data`."""

    def __init__(self) -> None:
        self.data = bytearray()

    def byte(self, value: int) -> int:
        self.data.append(value)
        return value

    def varint(self, value: int, limit: int) -> int:
        """Unsigned LEB128: seven bits a byte, the lowest first."""
        assert 0 <= value <= limit, (value, limit)
        rest = value
        while rest > 127:
            self.data.append(rest & 127 | 128)
            rest >>= 7
        self.data.append(rest)
        return value

    def fixed(self, value: bytes, size: int) -> bytes:
        assert len(value) == size
        self.data += value
        return value

    def blob(self, value: bytes, limit: int) -> bytes:
        """A length and that many bytes."""
        self.varint(len(value), limit)
        return self.fixed(value, len(value))


class Reader:
    """Reads fields from `data`, from `position` on; every length is checked before memory is taken."""

    def __init__(self, data: bytes | memoryview) -> None:
        self.data = data
        self.position = 0

    def byte(self, value: int | None = None) -> int:
        return self.fixed(None, 1)[0]

    def varint(self, value: int | None = None, limit: int = 0) -> int:
        result = shift = 0
        while True:
            byte = self.byte()
            result |= (byte & 127) << shift
            shift += 7
            if result > limit:
                raise BitstreamError(f"wanted a number up to {limit} before byte {self.position}, got {result} or more")
            if byte < 128:
                if byte == 0 and shift > 7:
                    raise BitstreamError(f"wanted the shortest form of a number before byte {self.position}")
                return result

    def fixed(self, value: bytes | None, size: int) -> bytes:
        start, self.position = self.position, self.position + size
        if self.position > len(self.data):
            raise BitstreamError(f"truncated: wanted {size} bytes at {start}, got {max(0, len(self.data) - start)}")
        return bytes(self.data[start : self.position])

    def blob(self, value: bytes | None = None, limit: int = 0) -> bytes:
        return self.fixed(None, self.varint(limit=limit))


Wire = Writer | Reader
