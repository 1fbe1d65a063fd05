package front

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"strconv"

	"github.com/ClickHouse/ch-go/compress"
	"github.com/ClickHouse/ch-go/proto"
)

// helloQuery is how clickhouse-go learns what it talks to.
const helloQuery = "SELECT displayName(), version(), revision(), timezone()"

// customSerialization is the client revision from which each column of a block carries a flag for it.
const customSerialization = 54454

// Exception is an error of the front itself, worded as one of the server.
type Exception struct {
	Code    int    // As ClickHouse numbers its errors.
	Message string // With the name of the code in parentheses at its end.
}

func (e Exception) Error() string {
	return fmt.Sprintf("Code: %d. DB::Exception: %s", e.Code, e.Message)
}

var codeOf = regexp.MustCompile(`Code: (\d+)\. `)

// exceptionCode is the ClickHouse code of an error, 1002 (UNKNOWN_EXCEPTION) if it has none.
func exceptionCode(err error) int {
	var refused Exception
	if errors.As(err, &refused) {
		return refused.Code
	}
	if found := codeOf.FindStringSubmatch(err.Error()); found != nil {
		if code, err := strconv.Atoi(found[1]); err == nil {
			return code
		}
	}
	return 1002
}

func writeError(w http.ResponseWriter, version string, err error) {
	text := err.Error()
	if codeOf.FindString(text) == "" {
		text = "Code: 1002. DB::Exception: " + text + ". (UNKNOWN_EXCEPTION)"
	}
	w.Header().Set("X-ClickHouse-Exception-Code", strconv.Itoa(exceptionCode(err)))
	w.Header().Set("Content-Type", "text/plain; charset=UTF-8")
	w.WriteHeader(http.StatusInternalServerError)
	_, _ = fmt.Fprintf(w, "%s (version %s (devstack))\n", text, version)
}

func writeAnswer(w http.ResponseWriter, s statement, answer Answer) error {
	body := answer.Body
	if s.compress {
		packed, err := packed(body)
		if err != nil {
			return err
		}
		body = packed
	}
	summary, err := json.Marshal(map[string]string{
		"read_rows":   strconv.FormatUint(answer.ReadRows, 10),
		"read_bytes":  strconv.FormatUint(answer.ReadBytes, 10),
		"result_rows": strconv.FormatUint(answer.ResultRows, 10),
		"elapsed_ns":  strconv.FormatInt(answer.Elapsed.Nanoseconds(), 10),
	})
	if err != nil {
		return err
	}
	w.Header().Set("X-ClickHouse-Summary", string(summary))
	w.Header().Set("X-ClickHouse-Format", s.format)
	w.Header().Set("Content-Type", "application/octet-stream")
	if s.format == "TabSeparated" {
		w.Header().Set("Content-Type", "text/tab-separated-values; charset=UTF-8")
	}
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	_, err = w.Write(body)
	return err
}

// packed compresses in blocks of 1 MiB, as a server does.
func packed(data []byte) ([]byte, error) {
	const size = 1 << 20
	writer := compress.NewWriter(compress.LevelZero, compress.LZ4)
	var all []byte
	for len(data) > 0 {
		n := min(size, len(data))
		if err := writer.Compress(data[:n]); err != nil {
			return nil, fmt.Errorf("compress the result: %w", err)
		}
		all = append(all, writer.Data...)
		data = data[n:]
	}
	return all, nil
}

// hello answers helloQuery with a block of the client's revision that names
// revision 0 as the server's.
func hello(version string, clientRevision uint64) []byte {
	var b proto.Buffer
	if clientRevision > 0 {
		// Block info: no overflow block, no bucket.
		b.PutUVarInt(1)
		b.PutBool(false)
		b.PutUVarInt(2)
		b.PutInt32(-1)
		b.PutUVarInt(0)
	}
	const columns, rows = 4, 1
	b.PutUVarInt(columns)
	b.PutUVarInt(rows)
	head := func(name, kind string) {
		b.PutString(name)
		b.PutString(kind)
		if clientRevision >= customSerialization {
			b.PutBool(false)
		}
	}
	head("displayName()", "String")
	b.PutString("devstack")
	head("version()", "String")
	b.PutString(version)
	head("revision()", "UInt32")
	b.PutUInt32(0)
	head("timezone()", "String")
	b.PutString("UTC")
	return b.Buf
}
