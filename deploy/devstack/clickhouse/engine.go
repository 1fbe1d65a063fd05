package main

import (
	"fmt"
	"os"
	"reflect"
	"strings"
	"time"
	"unsafe"

	chdb "github.com/chdb-io/chdb-go/chdb-purego"
	"github.com/ebitengine/purego"

	"plausible-webhooks/deploy/devstack/clickhouse/front"
)

// engine is the loaded library with one data folder. Its first connection
// stays open for the life of the process, which keeps the engine up; every
// further connection is a session with settings of its own and costs about 3 ms.
type engine struct {
	dir     string
	root    chdb.ChdbConn
	version string
}

// storageRowsRead and storageBytesRead tell what a query read from tables. The binding knows
// them but does not export them; its RowsRead is the number of rows of the result.
var storageRowsRead, storageBytesRead func(result unsafe.Pointer) uint64

func openEngine(dir string) (*engine, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("make the data folder: %w", err)
	}
	library, err := purego.Dlopen(os.Getenv("CHDB_LIB_PATH"), purego.RTLD_NOW|purego.RTLD_GLOBAL)
	if err != nil {
		return nil, fmt.Errorf("load the engine: %w", err)
	}
	purego.RegisterLibFunc(&storageRowsRead, library, "chdb_result_storage_rows_read")
	purego.RegisterLibFunc(&storageBytesRead, library, "chdb_result_storage_bytes_read")

	e := &engine{dir: dir}
	// The engine replaces Go's signal handlers when the first connection opens
	// (measured: SIGILL, SIGABRT, SIGBUS, SIGFPE, SIGSEGV and others), after
	// which a nil dereference hangs instead of panicking. Later connections leave them alone.
	restore := keepSignalHandlers()
	e.root, err = chdb.NewConnectionFromConnString(e.dir)
	restore()
	if err != nil {
		return nil, fmt.Errorf("open the engine on %s: %w", dir, err)
	}
	answer, err := query(e.root, "SELECT version()", "TabSeparated")
	if err != nil {
		return nil, fmt.Errorf("ask the engine for its version: %w", err)
	}
	e.version = strings.TrimSpace(string(answer.Body))
	return e, nil
}

// Version is the engine's, such as 26.7.2.1.
func (e *engine) Version() string { return e.version }

// Session opens a session that shares nothing but the data with others.
func (e *engine) Session() (front.Session, error) {
	conn, err := chdb.NewConnectionFromConnString(e.dir)
	if err != nil {
		return nil, fmt.Errorf("open an engine session: %w", err)
	}
	return session{conn}, nil
}

type session struct{ conn chdb.ChdbConn }

func (s session) Run(sql, format string) (front.Answer, error) { return query(s.conn, sql, format) }
func (s session) Close()                                       { s.conn.Close() }

func query(conn chdb.ChdbConn, sql, format string) (front.Answer, error) {
	// The library takes a C string and would silently run the part before a NUL.
	if strings.ContainsRune(sql, 0) {
		return front.Answer{}, front.Exception{Code: 62, Message: "Syntax error: the query holds a NUL byte; " +
			"send binary data as the body of a request whose query is in the URL. (SYNTAX_ERROR)"}
	}
	result, err := conn.Query(sql, format)
	if err != nil {
		return front.Answer{}, err
	}
	defer result.Free()
	answer := front.Answer{
		Body:       append([]byte(nil), result.Buf()...),
		ResultRows: result.RowsRead(),
		Elapsed:    time.Duration(result.Elapsed() * float64(time.Second)),
	}
	if raw := reflect.ValueOf(result).Elem().FieldByName("chdb_result").UnsafePointer(); raw != nil {
		answer.ReadRows, answer.ReadBytes = storageRowsRead(raw), storageBytesRead(raw)
	}
	return answer, nil
}
