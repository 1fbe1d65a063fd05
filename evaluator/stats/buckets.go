package stats

import (
	"context"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
)

// Bucket counts alike rows.
type Bucket struct {
	Site   int64
	Name   string // "pageview", "engagement" or a custom event's.
	Path   string // Empty for custom events.
	Depth  int    // Scroll depth in per cent; of engagement only.
	Props  []string
	Second int64  // Unix seconds; zero where seconds were not asked for.
	Source string // Of the visit; empty also where visitors were not asked for.
	User   uint64 // The visitor's user_id; zero likewise.
	Rows   int
}

// Detail is how far rows are told apart that are alike to goals.
type Detail int

const (
	ByKind    Detail = iota // Not at all.
	BySecond                // By second, which come in order.
	ByVisitor               // By second likewise, source and visitor.
)

// Completions hands every bucket of rows with after < timestamp <= through
// (Unix seconds) that may complete goals of the filter to each. A bucket is
// valid until the next one.
func (c *Client) Completions(ctx context.Context, f *Filter, after, through int64, detail Detail, each func(*Bucket) error) error {
	if f.Empty() {
		return nil
	}
	second, who, order := "toUInt32(0)", "'' AS source, toUInt64(0) AS visitor", ""
	if detail != ByKind {
		second, order = "toUInt32(timestamp)", "\nORDER BY second"
	}
	if detail == ByVisitor {
		who = "referrer_source AS source, user_id AS visitor"
	}
	query := `SELECT site_id, ` + f.columns() + `, ` + second + ` AS second, ` + who + `, count()
FROM events_v2 WHERE timestamp > {after:DateTime} AND timestamp <= {through:DateTime} AND ` + f.where() + `
GROUP BY site_id, goal_name, goal_path, goal_depth, goal_props, second, source, visitor` + order
	parameters := clickhouse.Parameters{"after": seconds(after), "through": seconds(through)}
	var b Bucket
	var site, count uint64
	var depth uint8
	var at uint32
	return c.ask(ctx, "completed goals", query, parameters, func(rows driver.Rows) error {
		if err := rows.Scan(&site, &b.Name, &b.Path, &depth, &b.Props, &at, &b.Source, &b.User, &count); err != nil {
			return err
		}
		b.Site, b.Depth, b.Second, b.Rows = int64(site), int(depth), int64(at), int(count)
		c.seen(b.Second)
		return each(&b)
	})
}

// Rows counts the rows with after < timestamp <= through (Unix seconds) that
// the filter asks for.
func (c *Client) Rows(ctx context.Context, f *Filter, after, through int64) (int, error) {
	if f.Empty() {
		return 0, nil
	}
	var count uint64
	query := `SELECT count() FROM events_v2 WHERE timestamp > {after:DateTime} AND timestamp <= {through:DateTime} AND ` + f.where()
	parameters := clickhouse.Parameters{"after": seconds(after), "through": seconds(through)}
	err := c.ask(ctx, "late rows", query, parameters, func(rows driver.Rows) error { return rows.Scan(&count) })
	return int(count), err
}
