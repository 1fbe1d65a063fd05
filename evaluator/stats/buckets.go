package stats

import (
	"context"
	"strings"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
)

// Completions asks for the rows that may complete goals, counted by second.
type Completions struct {
	After, Through int64 // Unix seconds: After < timestamp <= Through.

	Sites []int64 // Sites with such goals; nil: every site.
	Names []string
	// PageSites are the sites whose page views are told apart by path; nil:
	// every site's. Of the others, and of custom events, Path is empty.
	PageSites []int64
	// PropKeys are the custom properties that goals name, and PropSites the
	// sites with such goals. Props of other sites is empty.
	PropKeys  []string
	PropSites []int64
}

// Bucket counts alike rows of one second.
type Bucket struct {
	Site   int64
	Name   string // "pageview", "engagement" or a custom event's.
	Path   string
	Depth  int      // Scroll depth in per cent; engagement only.
	Props  []string // Values in the order of PropKeys; empty where a row has none.
	Second int64    // Unix seconds.
	Rows   int
}

// manyNameBytes bounds the list of event names in a query; beyond it every
// name is read and sorted out by the caller.
const manyNameBytes = 64 << 10

// Completions hands every bucket of page views and custom events to each.
func (c *Client) Completions(ctx context.Context, q Completions, each func(Bucket) error) error {
	path := "''"
	switch {
	case q.PageSites == nil:
		path = "if(name = 'pageview', pathname, '')"
	case len(q.PageSites) > 0:
		path = "if(name = 'pageview'" + among(q.PageSites) + ", pathname, '')"
	}
	query := `SELECT site_id, toString(name), ` + path + ` AS goal_path, toUInt8(0), ` + q.props() + ` AS goal_props, toUInt32(timestamp) AS second, count()
FROM events_v2 WHERE timestamp > {after:DateTime} AND timestamp <= {through:DateTime} AND name != 'engagement'` + q.named() + among(q.Sites) + `
GROUP BY site_id, name, goal_path, goal_props, second`
	return c.buckets(ctx, "completed goals", query, q, each)
}

// Scrolls hands every bucket of engagement rows with a valid scroll depth to
// each. 255 stands for none (Plausible writes 0 to 100). Names and PageSites
// have no meaning here.
func (c *Client) Scrolls(ctx context.Context, q Completions, each func(Bucket) error) error {
	query := `SELECT site_id, toString(name), pathname AS goal_path, scroll_depth, ` + q.props() + ` AS goal_props, toUInt32(timestamp) AS second, count()
FROM events_v2 WHERE timestamp > {after:DateTime} AND timestamp <= {through:DateTime} AND name = 'engagement' AND scroll_depth <= 100` + among(q.Sites) + `
GROUP BY site_id, name, goal_path, scroll_depth, goal_props, second`
	return c.buckets(ctx, "scroll depths", query, q, each)
}

func (c *Client) buckets(ctx context.Context, what, query string, q Completions, each func(Bucket) error) error {
	parameters := clickhouse.Parameters{"after": seconds(q.After), "through": seconds(q.Through)}
	return c.ask(ctx, what, query, parameters, func(rows driver.Rows) error {
		var site, count uint64
		var depth uint8
		var second uint32
		var b Bucket
		if err := rows.Scan(&site, &b.Name, &b.Path, &depth, &b.Props, &second, &count); err != nil {
			return err
		}
		b.Site, b.Depth, b.Second, b.Rows = int64(site), int(depth), int64(second), int(count)
		return each(b)
	})
}

func (q Completions) named() string {
	length := 0
	for _, name := range q.Names {
		length += 2*len(name) + len("unhex(''),")
	}
	if length > manyNameBytes {
		return ""
	}
	return " AND name IN (" + texts(q.Names) + ")"
}

// props is the expression for the values of PropKeys. A key that a row lacks
// gives the empty string, as in Plausible's own condition.
func (q Completions) props() string {
	if len(q.PropKeys) == 0 || (q.PropSites != nil && len(q.PropSites) == 0) {
		return "CAST([], 'Array(String)')"
	}
	values := make([]string, len(q.PropKeys))
	for i, key := range q.PropKeys {
		values[i] = prop(key)
	}
	array := "[" + strings.Join(values, ",") + "]"
	if q.PropSites == nil {
		return array
	}
	return "if(site_id IN (" + integers(q.PropSites) + "), " + array + ", CAST([], 'Array(String)'))"
}

func prop(key string) string { return "meta.value[indexOf(meta.key, " + text(key) + ")]" }
