// Package faulty is a TCP proxy that fails as networks and servers do: it
// resets connections, now or after so many bytes, delays them, accepts and
// never answers, or refuses. Tests put it between the sidecar and PostgreSQL,
// ClickHouse or a receiver.
//
// Remit: bytes of TCP connections on loopback. It knows no protocol: a cut at
// a certain byte is a cut within a row, a TLS record or a status line.
//
// # Terms
//
//   - The client connects to the proxy, the server is what the proxy connects
//     to. Up is from client to server, down the other way.
//   - A fault is what befalls one connection from its beginning; Befall sets it
//     for connections to come.
//   - Cut, Strand, Freeze and Refuse befall everything at once: connections
//     that are open, their bytes, all bytes, new connections.
//
// # Invariants
//
//   - Without a fault it is not noticed: bytes and half-closes pass unchanged,
//     and a reset of one side resets the other.
//   - A cut is a reset (RST), never an orderly end: no side can take it for
//     the end of what the other had to say.
//   - Stop waits for every goroutine.
package faulty
