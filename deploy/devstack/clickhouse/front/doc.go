// Package front is the part of ClickHouse's HTTP interface that the devstack
// needs, before any [Engine]: it reads requests into statements, runs each in
// an engine session of its own, and writes results and errors as a
// ClickHouse server words them.
//
// Covered are:
//
//   - the query in the URL, the body or both; GET (read-only, as on a real server) and POST;
//   - database= and X-ClickHouse-Database, default_format= and X-ClickHouse-Format;
//   - every other URL value as a setting of this query, param_*= as a query parameter;
//   - inserts with a body in any format, binary ones included;
//   - compress=1 and decompress=1 (blocks of LZ4 or ZSTD; results are always LZ4), Content-Encoding: gzip for bodies;
//   - external tables (multipart/form-data with *_structure and *_format);
//   - errors: status 500, X-ClickHouse-Exception-Code, "Code: N. DB::Exception: …";
//   - GET /ping, and besides the user default the users readonly and readonly2, who have that setting at 1 and 2.
//
// clickhouse-go asks for the server's revision when it connects. The answer
// is 0, so that plain blocks, which is what FORMAT Native yields, are valid for it.
//
// Under /devstack/ tests make trouble and read the query log; see [Server].
package front
