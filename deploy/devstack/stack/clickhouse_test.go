package stack

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/ext"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"github.com/google/go-cmp/cmp"
	"github.com/shopspring/decimal"
)

// dial connects as the product does, by the URL alone, with compression as asked.
func dial(t testing.TB, url string, compression clickhouse.CompressionMethod) driver.Conn {
	t.Helper()
	options, err := clickhouse.ParseDSN(url)
	if err != nil {
		t.Fatal(err)
	}
	options.Compression = &clickhouse.Compression{Method: compression}
	conn, err := clickhouse.Open(options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn
}

func mustExec(t testing.TB, conn driver.Conn, sql string, args ...any) {
	t.Helper()
	if err := conn.Exec(t.Context(), sql, args...); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
}

var compressions = map[string]clickhouse.CompressionMethod{
	"plain": clickhouse.CompressionNone,
	"LZ4":   clickhouse.CompressionLZ4,
	"ZSTD":  clickhouse.CompressionZSTD,
	"gzip":  clickhouse.CompressionGZIP,
}

type everyType struct {
	U8    uint8             `ch:"u8"`
	U16   uint16            `ch:"u16"`
	U32   uint32            `ch:"u32"`
	U64   uint64            `ch:"u64"`
	I8    int8              `ch:"i8"`
	I32   int32             `ch:"i32"`
	I64   int64             `ch:"i64"`
	F64   float64           `ch:"f64"`
	At    time.Time         `ch:"at"`
	Zoned time.Time         `ch:"zoned"`
	Day   time.Time         `ch:"day"`
	Text  string            `ch:"text"`
	Fixed string            `ch:"fixed"`
	Low   string            `ch:"low"`
	List  []string          `ch:"list"`
	Lows  []string          `ch:"lows"`
	Money *decimal.Decimal  `ch:"money"`
	Pair  []any             `ch:"pair"`
	Words map[string]uint64 `ch:"words"`
	Yes   bool              `ch:"yes"`
}

func TestClickHouseRoundTripOfTypes(t *testing.T) {
	url := TestEvents(t)
	for name, compression := range compressions {
		t.Run(name, func(t *testing.T) {
			conn := dial(t, url, compression)
			mustExec(t, conn, "DROP TABLE IF EXISTS every")
			mustExec(t, conn, `CREATE TABLE every (u8 UInt8, u16 UInt16, u32 UInt32, u64 UInt64, i8 Int8, i32 Int32, i64 Int64,
				f64 Float64, at DateTime, zoned DateTime('Europe/Tallinn'), day Date, text String, fixed FixedString(2),
				low LowCardinality(String), list Array(String), lows Array(LowCardinality(String)),
				money Nullable(Decimal(18, 3)), pair Tuple(UInt8, String), words Map(String, UInt64), yes Bool)
				ENGINE = MergeTree ORDER BY u64`)
			at := time.Date(2026, 3, 29, 1, 2, 3, 0, time.UTC)
			tallinn, err := time.LoadLocation("Europe/Tallinn")
			if err != nil {
				t.Fatal(err)
			}
			amount := decimal.RequireFromString("-1234567.125")
			var want []everyType
			for i := range uint64(3000) {
				row := everyType{
					U8: uint8(i), U16: uint16(i), U32: uint32(i), U64: 1<<63 + i, I8: -int8(i % 100), I32: -int32(i), I64: -int64(i) << 40,
					F64: float64(i) / 3, At: at.Add(time.Duration(i) * time.Second), Zoned: at.Add(time.Duration(i) * time.Minute).In(tallinn),
					Day: time.Date(2026, 3, 29, 0, 0, 0, 0, time.UTC), Text: "häß\x00lich\n'\\", Fixed: "EE", Low: fmt.Sprint("name ", i%7),
					List: []string{"a", fmt.Sprint(i)}, Lows: []string{"x", "y", fmt.Sprint(i % 3)},
					Pair: []any{uint8(i), "two"}, Words: map[string]uint64{"k": i}, Yes: i%2 == 0,
				}
				if i%2 == 0 {
					row.Money = &amount
				}
				want = append(want, row)
			}
			batch, err := conn.PrepareBatch(t.Context(), "INSERT INTO every")
			if err != nil {
				t.Fatal(err)
			}
			for i := range want {
				if err := batch.AppendStruct(&want[i]); err != nil {
					t.Fatal(err)
				}
			}
			if err := batch.Send(); err != nil {
				t.Fatal(err)
			}
			var got []everyType
			if err := conn.Select(t.Context(), &got, "SELECT * FROM every ORDER BY u64"); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, got, cmp.Comparer(func(a, b time.Time) bool { return a.Equal(b) })); diff != "" {
				t.Errorf("rows differ (-inserted +selected):\n%.2000s", diff)
			}

			// No row at all is a block of its own kind.
			var none []everyType
			if err := conn.Select(t.Context(), &none, "SELECT * FROM every WHERE u64 = 0"); err != nil || len(none) != 0 {
				t.Errorf("select nothing: got %d rows, error %v", len(none), err)
			}
		})
	}
}

func TestClickHouseParameters(t *testing.T) {
	conn := dial(t, TestEvents(t), clickhouse.CompressionLZ4)
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	words := []string{"plain", "it's", `back\slash`, "häß", "", `","`, "a]b"}
	var (
		gotTime  uint32
		gotWords []string
		gotIDs   []uint64
		gotText  string
		gotSum   int64
	)
	err := conn.QueryRow(t.Context(), `SELECT toUnixTimestamp({now:DateTime}), {words:Array(String)}, {ids:Array(UInt64)}, {text:String}, {a:Int64} + {a:Int64}`,
		clickhouse.DateNamed("now", at, clickhouse.Seconds),
		clickhouse.Named("words", words), clickhouse.Named("ids", []uint64{1, 1 << 63}), clickhouse.Named("text", "a'b"), clickhouse.Named("a", -3),
	).Scan(&gotTime, &gotWords, &gotIDs, &gotText, &gotSum)
	if err != nil {
		t.Fatal(err)
	}
	if gotTime != uint32(at.Unix()) || gotText != "a'b" || gotSum != -6 || !slices.Equal(gotIDs, []uint64{1, 1 << 63}) {
		t.Errorf("got time %d, text %q, sum %d, ids %v", gotTime, gotText, gotSum, gotIDs)
	}
	if diff := cmp.Diff(words, gotWords); diff != "" {
		t.Errorf("words (-want +got):\n%s", diff)
	}

	// A query must not see the parameters of the one before it.
	err = conn.QueryRow(t.Context(), "SELECT {text:String}", clickhouse.Named("other", 1)).Scan(&gotText)
	if code := exceptionCode(err); code != 456 {
		t.Errorf("query without its parameter: got error %v, want code 456", err)
	}
}

func exceptionCode(err error) int32 {
	var exception *clickhouse.Exception
	if errors.As(err, &exception) {
		return exception.Code
	}
	return 0
}

func TestClickHouseErrorsHaveCodes(t *testing.T) {
	url := TestEvents(t)
	for name, compression := range compressions {
		t.Run(name, func(t *testing.T) {
			conn := dial(t, url, compression)
			for _, test := range []struct {
				sql  string
				code int32
			}{
				{"SELECT nope", 47},
				{"SELECT * FROM nope", 60},
				{"SELECT nope(1)", 46},
				{"SELEC 1", 62},
				{"SELECT throwIf(number = 500000) FROM numbers(1000000)", 395},
				{"SELECT sum(sipHash64(number)) FROM numbers(1000000000000) SETTINGS max_execution_time = 1", 159},
				{"SELECT count() FROM numbers(1000) SETTINGS max_rows_to_read = 1", 158},
			} {
				rows, err := conn.Query(t.Context(), test.sql)
				if err == nil {
					for rows.Next() {
					}
					err = rows.Err()
					rows.Close()
				}
				if got := exceptionCode(err); got != test.code {
					t.Errorf("%s: got code %d (%v), want %d", test.sql, got, err, test.code)
				}
			}
		})
	}
	missing := dial(t, strings.ReplaceAll(url, "/events_", "/missing_"), clickhouse.CompressionNone)
	if got := exceptionCode(missing.Ping(t.Context())); got != 81 {
		t.Errorf("ping of a missing database: got code %d, want 81", got)
	}
}

func TestClickHouseReadonlyUsers(t *testing.T) {
	address := ownClickHouse(t, ClickHouseOptions{}).URL("default")
	as := func(user string) string { return strings.Replace(address, "://", "://"+user+"@", 1) }
	for _, user := range []string{"readonly", "readonly2"} {
		got, err := send(t.Context(), as(user), "SELECT {a:UInt8}", url.Values{"param_a": {"1"}}, nil)
		if err != nil || got != "1\n" {
			t.Errorf("%s reads: got %q, error %v", user, got, err)
		}
		_, err = send(t.Context(), as(user), "CREATE TABLE t (a UInt8) ENGINE = Memory", nil, nil)
		if err == nil || !strings.Contains(err.Error(), "Code: 164.") {
			t.Errorf("%s writes: got error %v, want code 164", user, err)
		}
	}

	// The driver sends max_execution_time whenever a context has a deadline,
	// and gives its hello one: with readonly=1 it cannot even connect.
	if got := exceptionCode(dial(t, as("readonly"), clickhouse.CompressionNone).Ping(t.Context())); got != 164 {
		t.Errorf("readonly pings: got code %d, want 164", got)
	}
	ctx := clickhouse.Context(t.Context(), clickhouse.WithSettings(clickhouse.Settings{"max_execution_time": 3}))
	if err := dial(t, as("readonly2"), clickhouse.CompressionNone).Exec(ctx, "SELECT 1"); err != nil {
		t.Errorf("readonly2 sets a limit: %v", err)
	}
	if got := exceptionCode(dial(t, as("somebody"), clickhouse.CompressionNone).Ping(t.Context())); got != 516 {
		t.Errorf("nobody known pings: got code %d, want 516", got)
	}
}

func TestClickHouseSettingsStayWithTheirQuery(t *testing.T) {
	conn := dial(t, TestEvents(t), clickhouse.CompressionNone)
	read := func(ctx context.Context) (threads, rows uint64) {
		t.Helper()
		err := conn.QueryRow(ctx, "SELECT toUInt64(getSetting('max_threads')), toUInt64(getSetting('max_rows_to_read'))").Scan(&threads, &rows)
		if err != nil {
			t.Fatal(err)
		}
		return threads, rows
	}
	ctx := clickhouse.Context(t.Context(), clickhouse.WithSettings(clickhouse.Settings{"max_threads": 7, "max_rows_to_read": 1000, "log_queries": 0}))
	if threads, rows := read(ctx); threads != 7 || rows != 1000 {
		t.Errorf("with settings: got max_threads %d, max_rows_to_read %d", threads, rows)
	}
	if threads, rows := read(t.Context()); threads == 7 || rows != 0 {
		t.Errorf("after it: got max_threads %d, max_rows_to_read %d, want the defaults", threads, rows)
	}
}

func TestClickHouseExternalTables(t *testing.T) {
	conn := dial(t, TestEvents(t), clickhouse.CompressionLZ4)
	table, err := ext.NewTable("ids", ext.Column("id", "UInt64"))
	if err != nil {
		t.Fatal(err)
	}
	for id := range uint64(50_000) {
		if err := table.Append(id * 2); err != nil {
			t.Fatal(err)
		}
	}
	var got uint64
	ctx := clickhouse.Context(t.Context(), clickhouse.WithExternalTable(table))
	if err := conn.QueryRow(ctx, "SELECT count() FROM numbers(100000) WHERE number IN ids").Scan(&got); err != nil || got != 50_000 {
		t.Errorf("with the table: got %d, error %v, want 50000", got, err)
	}
	if code := exceptionCode(conn.QueryRow(t.Context(), "SELECT count() FROM ids").Scan(&got)); code != 60 {
		t.Errorf("after it: got code %d, want 60, unknown table", code)
	}
}

func TestClickHouseConcurrentQueries(t *testing.T) {
	url := TestEvents(t)
	conn := dial(t, url, clickhouse.CompressionLZ4)
	var wg sync.WaitGroup
	for worker := range 8 {
		wg.Go(func() {
			for round := range 25 {
				site := uint64(worker*100 + round)
				if err := InsertEvents(t.Context(), url, []Event{{SiteID: site}, {SiteID: site}}); err != nil {
					t.Error(err)
					return
				}
				var rows, echoed uint64
				err := conn.QueryRow(t.Context(), "SELECT count(), {site:UInt64} FROM events_v2 WHERE site_id = {site:UInt64}",
					clickhouse.Named("site", site)).Scan(&rows, &echoed)
				if err != nil || rows != 2 || echoed != site {
					t.Errorf("site %d: got %d rows of site %d, error %v, want 2", site, rows, echoed, err)
					return
				}
			}
		})
	}
	wg.Wait()
}

func TestClickHousePlainHTTP(t *testing.T) {
	url := TestEvents(t)
	for _, test := range []struct{ sql, data, want string }{
		{"SELECT 1 AS a, 'x' AS b FORMAT JSONEachRow", "", "{\"a\":1,\"b\":\"x\"}\n"},
		{"SELECT number, toString(number) FROM numbers(2)", "", "0\t0\n1\t1\n"},
		{"CREATE TABLE plain (a UInt8, b String) ENGINE = MergeTree ORDER BY a", "", ""},
		{"INSERT INTO plain VALUES (1, 'it''s')", "", ""},
		{"INSERT INTO plain FORMAT JSONEachRow", `{"a": 2, "b": "two"}`, ""},
		{"INSERT INTO plain (b, a) FORMAT TabSeparated", "three\t3\n", ""},
		{"SELECT * FROM plain ORDER BY a", "", "1\tit\\'s\n2\ttwo\n3\tthree\n"},
	} {
		var got string
		var err error
		if test.data == "" {
			got, err = send(t.Context(), url, test.sql, nil, nil)
		} else {
			got, err = send(t.Context(), url, test.sql, nil, strings.NewReader(test.data))
		}
		if err != nil || got != test.want {
			t.Errorf("%s: got %q, error %v, want %q", test.sql, got, err, test.want)
		}
	}
	response, err := http.Get(TestClickHouse(t).URL("ping"))
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		t.Errorf("ping: got %s", response.Status)
	}
}
