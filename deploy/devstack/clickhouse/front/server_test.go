package front

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/ClickHouse/ch-go/compress"
	"github.com/ClickHouse/ch-go/proto"
)

// recorder is an engine that remembers what each session ran. What the real
// one makes of it is tested in deploy/devstack/stack.
type recorder struct {
	mu       sync.Mutex
	sessions [][]string // Statements by session.
	uploads  []string   // What lay in files that statements named.
	open     int
	answer   Answer
	err      error
}

type recording struct {
	*recorder
	number int
}

func (r *recorder) Version() string { return "26.7.2.1" }

func (r *recorder) Session() (Session, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.open++
	r.sessions = append(r.sessions, nil)
	return recording{r, len(r.sessions) - 1}, nil
}

func (r recording) Run(sql, format string) (Answer, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if _, rest, found := strings.Cut(sql, "INFILE '"); found {
		file, _, _ := strings.Cut(rest, "'")
		data, err := os.ReadFile(file)
		if err != nil {
			return Answer{}, err
		}
		r.uploads = append(r.uploads, string(data))
		sql = strings.Replace(sql, file, "FILE", 1)
	}
	r.sessions[r.number] = append(r.sessions[r.number], sql)
	return r.answer, r.err
}

func (r recording) Close() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.open--
}

// ask sends one request to a server in front of engine, and checks that
// neither session nor file is left behind.
func ask(t *testing.T, engine *recorder, request *http.Request, profile map[string]string) *httptest.ResponseRecorder {
	t.Helper()
	folder := t.TempDir()
	response := httptest.NewRecorder()
	New(engine, folder, profile).ServeHTTP(response, request)
	if engine.open != 0 {
		t.Errorf("%d sessions stay open", engine.open)
	}
	if left, err := os.ReadDir(folder); err != nil || len(left) > 0 {
		t.Errorf("left in the folder of uploads: %v, error %v", left, err)
	}
	return response
}

func post(target, body string) *http.Request {
	return httptest.NewRequest(http.MethodPost, target, strings.NewReader(body))
}

func TestRequestsBecomeStatements(t *testing.T) {
	ce, err := Profile("ce")
	if err != nil {
		t.Fatal(err)
	}
	as := func(user string, r *http.Request) *http.Request { r.SetBasicAuth(user, ""); return r }
	for name, test := range map[string]struct {
		request *http.Request
		profile map[string]string
		want    []string
		upload  string
	}{
		"body":                 {request: post("/", "SELECT 1"), want: []string{"SELECT 1"}},
		"query in the URL":     {request: post("/?query=SELECT+1", ""), want: []string{"SELECT 1\n"}},
		"both":                 {request: post("/?query=INSERT+INTO+t+VALUES", "(1)"), want: []string{"INSERT INTO t VALUES\n(1)"}},
		"GET is read-only":     {request: httptest.NewRequest(http.MethodGet, "/?query=SELECT+1&max_threads=2", nil), want: []string{"SET readonly = 2", "SET max_threads = '2'", "SELECT 1\n"}},
		"quoting":              {request: post("/?database=a%60b&param_x="+url.QueryEscape(`it's \ `), "q"), want: []string{"USE `a\\`b`", `SET param_x = 'it\'s \\ '`, "q"}},
		"order":                {request: post("/?max_threads=3&readonly=1&param_p=1&database=d&query_id=i&compress=0&wait_end_of_query=1", "q"), profile: map[string]string{"max_threads": "1"}, want: []string{"USE `d`", "SET max_threads = '1'", "SET param_p = '1'", "SET max_threads = '3'", "SET readonly = '1'", "q"}},
		"user readonly":        {request: as("readonly", post("/?param_p=1&max_threads=3", "q")), want: []string{"SET param_p = '1'", "SET readonly = 1", "SET max_threads = '3'", "q"}},
		"profile":              {request: post("/", "q"), profile: ce, want: []string{"SET input_format_parallel_parsing = '0', max_block_size = '8192', max_download_threads = '1', max_threads = '1', output_format_parallel_formatting = '0'", "q"}},
		"insert with data":     {request: post("/?query="+url.QueryEscape("INSERT INTO t (a, b) FORMAT Native"), "\x00\x01"), want: []string{"INSERT INTO t (a, b) FROM INFILE 'FILE' FORMAT Native"}, upload: "\x00\x01"},
		"insert after comment": {request: post("/?query="+url.QueryEscape("-- why\n/* how */ insert into t\nformat JSONEachRow;"), "{}"), want: []string{"-- why\n/* how */ insert into t FROM INFILE 'FILE' FORMAT JSONEachRow"}, upload: "{}"},
		"select with format":   {request: post("/?query="+url.QueryEscape("SELECT 1 FORMAT Native"), ""), want: []string{"SELECT 1 FORMAT Native\n"}},
	} {
		t.Run(name, func(t *testing.T) {
			engine := &recorder{}
			response := ask(t, engine, test.request, test.profile)
			if response.Code != http.StatusOK {
				t.Fatalf("got status %d: %s", response.Code, response.Body)
			}
			if got := engine.sessions[0]; !slices.Equal(got, test.want) {
				t.Errorf("statements:\n got %q\nwant %q", got, test.want)
			}
			if got := strings.Join(engine.uploads, ""); got != test.upload {
				t.Errorf("data: got %q, want %q", got, test.upload)
			}
		})
	}
}

func TestExternalTablesBecomeTemporaryOnes(t *testing.T) {
	var body bytes.Buffer
	form := multipart.NewWriter(&body)
	table, err := form.CreateFormFile("ids", "") // Without a file name, as clickhouse-go sends it.
	if err != nil {
		t.Fatal(err)
	}
	if _, err := table.Write([]byte("\x01\x00")); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(form.WriteField("query", "SELECT id FROM ids"), form.Close()); err != nil {
		t.Fatal(err)
	}
	request := httptest.NewRequest(http.MethodPost, "/?ids_structure="+url.QueryEscape("id UInt64")+"&ids_format=Native", &body)
	request.Header.Set("Content-Type", form.FormDataContentType())
	engine := &recorder{}
	if response := ask(t, engine, request, nil); response.Code != http.StatusOK {
		t.Fatalf("got status %d: %s", response.Code, response.Body)
	}
	want := []string{"CREATE TEMPORARY TABLE `ids` (id UInt64) ENGINE = Memory", "INSERT INTO `ids` FROM INFILE 'FILE' FORMAT Native", "SELECT id FROM ids"}
	if got := engine.sessions[0]; !slices.Equal(got, want) {
		t.Errorf("statements:\n got %q\nwant %q", got, want)
	}
	if got := engine.uploads; !slices.Equal(got, []string{"\x01\x00"}) {
		t.Errorf("data: got %q", got)
	}
}

func TestCompressionBothWays(t *testing.T) {
	data := bytes.Repeat([]byte("compressible \x00"), 300_000) // Several blocks.
	for _, method := range []compress.Method{compress.LZ4, compress.ZSTD} {
		writer := compress.NewWriter(compress.LevelZero, method)
		if err := writer.Compress(data); err != nil {
			t.Fatal(err)
		}
		engine := &recorder{answer: Answer{Body: data}}
		request := post("/?compress=1&decompress=1&query=INSERT+INTO+t+FORMAT+Native", string(writer.Data))
		response := ask(t, engine, request, nil)
		if got := strings.Join(engine.uploads, ""); got != string(data) {
			t.Errorf("%v: the data to insert differs: got %d bytes, want %d; answer %s", method, len(got), len(data), response.Body)
		}
		got, err := io.ReadAll(blockReader{compress.NewReader(response.Body)})
		if err != nil || !bytes.Equal(got, data) {
			t.Errorf("%v: the result differs: got %d bytes, error %v, want %d", method, len(got), err, len(data))
		}
	}
}

func TestHelloClaimsRevisionZero(t *testing.T) {
	for _, revision := range []string{"0", "54453", "54483"} {
		engine := &recorder{}
		response := ask(t, engine, post("/?database=d&client_protocol_version="+revision, helloQuery), nil)
		reader := proto.NewReader(response.Body)
		if revision != "0" {
			var info proto.BlockInfo
			if err := info.Decode(reader); err != nil {
				t.Fatal(err)
			}
		}
		counts := make([]byte, 2)
		if err := reader.ReadFull(counts); err != nil || !bytes.Equal(counts, []byte{4, 1}) {
			t.Fatalf("revision %s: got columns and rows %v, error %v", revision, counts, err)
		}
		var values []string
		for range 4 {
			_, err1 := reader.Str()
			kind, err2 := reader.Str()
			var err3 error
			if revision == "54483" {
				_, err3 = reader.Bool()
			}
			var value string
			var err4 error
			if kind == "UInt32" {
				var number uint32
				number, err4 = reader.UInt32()
				value = fmt.Sprint(number)
			} else {
				value, err4 = reader.Str()
			}
			if err := errors.Join(err1, err2, err3, err4); err != nil {
				t.Fatalf("revision %s: %v", revision, err)
			}
			values = append(values, value)
		}
		if want := []string{"devstack", "26.7.2.1", "0", "UTC"}; !slices.Equal(values, want) {
			t.Errorf("revision %s: got %q, want %q", revision, values, want)
		}
		if got := engine.sessions[0]; !slices.Equal(got, []string{"USE `d`", "SELECT 1"}) {
			t.Errorf("revision %s: got statements %q, want the database tried", revision, got)
		}
	}
}

func TestErrorsAreWordedAsTheServers(t *testing.T) {
	for name, test := range map[string]struct {
		engine  error
		request *http.Request
		code    string
	}{
		"engine":         {engine: errors.New("Code: 60. DB::Exception: Unknown table. (UNKNOWN_TABLE)"), request: post("/", "q"), code: "60"},
		"engine, odd":    {engine: errors.New("no code"), request: post("/", "q"), code: "1002"},
		"bad setting":    {request: post("/?a.b=1", "q"), code: "115"},
		"long value":     {request: post("/?param_p="+strings.Repeat("1", maxFieldSize+1), "q"), code: "1000"},
		"unknown user":   {request: post("/?user=me", "q"), code: "516"},
		"wrong password": {request: post("/?user=default&password=x", "q"), code: "516"},
	} {
		t.Run(name, func(t *testing.T) {
			response := ask(t, &recorder{err: test.engine}, test.request, nil)
			if response.Code != http.StatusInternalServerError || response.Header().Get("X-ClickHouse-Exception-Code") != test.code {
				t.Errorf("got status %d, code %s, want 500, %s", response.Code, response.Header().Get("X-ClickHouse-Exception-Code"), test.code)
			}
			if body := response.Body.String(); !strings.HasPrefix(body, "Code: "+test.code+". DB::Exception: ") {
				t.Errorf("got body %q", body)
			}
		})
	}
}

func TestTrouble(t *testing.T) {
	server := New(&recorder{}, t.TempDir(), nil)
	do := func(ctx context.Context, request *http.Request) *httptest.ResponseRecorder {
		response := httptest.NewRecorder()
		server.ServeHTTP(response, request.WithContext(ctx))
		return response
	}
	do(t.Context(), post("/devstack/fail", ""))
	if got := do(t.Context(), post("/", "q")).Header().Get("X-ClickHouse-Exception-Code"); got != "202" {
		t.Errorf("failing: got code %q, want 202", got)
	}
	do(t.Context(), post("/devstack/pause", ""))
	gone, leave := context.WithCancel(t.Context())
	leave()
	if got := do(gone, post("/", "q")).Code; got == http.StatusOK {
		t.Errorf("paused, client gone: got status %d", got)
	}
	answered := make(chan int, 1)
	go func() { answered <- do(t.Context(), post("/", "q")).Code }()
	do(t.Context(), post("/devstack/pause", "")) // Twice is once.
	do(t.Context(), post("/devstack/resume", ""))
	if got := <-answered; got != http.StatusOK {
		t.Errorf("resumed: got status %d", got)
	}
}

func TestQueryLogIsBounded(t *testing.T) {
	var log queryLog
	for range logLength + 5 {
		log.add(Entry{})
	}
	all := log.last(0)
	if len(all) > logLength || all[len(all)-1].Seq != logLength+5 || all[0].Seq != uint64(logLength+5-len(all)+1) {
		t.Errorf("got %d entries, %d to %d", len(all), all[0].Seq, all[len(all)-1].Seq)
	}
	if got := log.last(2); len(got) != 2 || got[1].Seq != logLength+5 {
		t.Errorf("last two: got %d entries", len(got))
	}
}
