"""HTTP/2 for a gRPC server (RFC 9113, RFC 7541), without I/O: bytes in, calls and bytes out."""
