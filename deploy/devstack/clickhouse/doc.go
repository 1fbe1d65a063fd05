// Command clickhouse serves the ClickHouse engine, loaded as a library
// (libchdb, found through CHDB_LIB_PATH), behind as much of ClickHouse's HTTP
// interface as clickhouse-go and curl need. It exists for the tests and the
// demo of the devstack; nothing of it is part of the product.
//
// It is a program of its own, and a module of its own, because the engine
// takes over signals and memory of the process that loads it, may be loaded
// only once per process, and makes the import itself panic where the library
// is absent.
//
// What is served is described in package front; what is not covered, compared with a
// real server:
//
//   - users other than default, readonly and readonly2 (the setting readonly at 1
//     and 2); passwords, quotas, TLS, replication, the native protocol (port 9000);
//   - cancellation: a query whose client went away runs on to its end or its
//     max_execution_time, as it does on a real server by default;
//   - results in pieces: each is computed whole before its first byte is sent, so there is no
//     exception in mid-stream and no progress;
//   - Native blocks above revision 0, hence none of the serializations that newer revisions add;
//   - sessions (session_id), and inserts whose query and binary body share the request body;
//   - system.query_log: the query log of /devstack/queries stands in for it.
//
// Each request has an engine session of its own: settings, parameters,
// temporary tables and the current database cannot reach another request.
// Requests run concurrently; the engine was measured to allow that.
package main
