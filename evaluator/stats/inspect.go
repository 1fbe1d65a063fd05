package stats

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
)

// Server is what ClickHouse tells of itself and of our user.
type Server struct {
	Version  string
	Readonly int       // The user's level: 0, 1 or 2. With 1 no setting can be set, bounds of queries neither.
	Now      time.Time // To the millisecond.
}

// Server asks what kind of server it is and what we may do there.
func (c *Client) Server(ctx context.Context) (s Server, err error) {
	const query = "SELECT version(), toUInt8(getSetting('readonly')), toUnixTimestamp64Milli(now64(3))"
	err = c.ask(ctx, "its version", query, nil, func(rows driver.Rows) error {
		var level uint8
		var milliseconds int64
		err := rows.Scan(&s.Version, &level, &milliseconds)
		s.Readonly, s.Now = int(level), time.UnixMilli(milliseconds)
		return err
	})
	return s, err
}

// eventColumns are those of events_v2 that questions read, whatever goals
// there are. scroll_depth came with v3.0, as did the goals that need it.
var eventColumns = []string{"timestamp", "name", "site_id", "user_id", "pathname", "referrer_source", "meta.key", "meta.value"}

// Access tells what of events_v2 can be read.
type Access struct {
	Missing bool     // There is no such table.
	Denied  bool     // The user may not read it.
	Lacking []string // Columns that it should have.
}

// Access tries to read what questions read.
func (c *Client) Access(ctx context.Context) (a Access, err error) {
	query := "SELECT `" + strings.Join(eventColumns, "`, `") + "` FROM events_v2 LIMIT 0"
	err = c.ask(ctx, "events_v2", query, nil, func(driver.Rows) error { return nil })
	switch {
	case err == nil:
		return a, nil
	case hasCode(err, codeUnknownTable, codeUnknownDatabase):
		return Access{Missing: true}, nil
	case hasCode(err, codeAccessDenied):
		return Access{Denied: true}, nil
	}
	// Which error an unknown column is, depends on the version.
	var there []string
	const columns = "SELECT name FROM system.columns WHERE database = currentDatabase() AND table = 'events_v2'"
	if e := c.ask(ctx, "the columns of events_v2", columns, nil, func(rows driver.Rows) error {
		var name string
		err := rows.Scan(&name)
		there = append(there, name)
		return err
	}); e != nil {
		return a, err
	}
	for _, name := range eventColumns {
		if len(there) > 0 && !slices.Contains(there, name) {
			a.Lacking = append(a.Lacking, name)
		}
	}
	if a.Lacking == nil {
		return a, err
	}
	return a, nil
}

// Freshness tells whether events still arrive.
type Freshness struct {
	Newest time.Time     // Of the time looked at; zero: there was none.
	Pause  time.Duration // The longest one between events, the present one left out; in whole FreshnessBuckets.
	Busy   int           // So many FreshnessBuckets held events; of few, the pause tells little.
}

const (
	// freshnessSpan is how far back the pauses are looked at: each hour of the
	// night and the weekend is in it.
	freshnessSpan = 7 * 24 * time.Hour

	// FreshnessBucket is how precisely pauses are measured.
	FreshnessBucket = 5 * time.Minute
)

// Freshness looks at a week before now, the server's.
func (c *Client) Freshness(ctx context.Context, now time.Time) (f Freshness, err error) {
	const query = `SELECT groupUniqArray(toUInt32(intDiv(toUnixTimestamp(timestamp), {bucket:UInt32}))), toUInt32(max(timestamp))
FROM events_v2 WHERE timestamp > {from:DateTime}`
	var buckets []uint32
	var newest uint32
	err = c.ask(ctx, "the newest event", query, clickhouse.Parameters{
		"bucket": seconds(int64(FreshnessBucket / time.Second)), "from": seconds(now.Add(-freshnessSpan).Unix()),
	}, func(rows driver.Rows) error { return rows.Scan(&buckets, &newest) })
	if err != nil || len(buckets) == 0 {
		return f, err
	}
	slices.Sort(buckets)
	for i := 1; i < len(buckets); i++ {
		f.Pause = max(f.Pause, time.Duration(buckets[i]-buckets[i-1])*FreshnessBucket)
	}
	f.Busy = len(buckets)
	f.Newest = time.Unix(int64(newest), 0)
	return f, nil
}
