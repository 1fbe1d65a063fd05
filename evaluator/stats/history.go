package stats

import (
	"context"
	"fmt"
	"math"
	"strings"

	"plausible-webhooks/config"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
)

// Visit is what one visitor did on a site within one second.
type Visit struct {
	Second int64  // Unix seconds.
	User   uint64 // Zero where visitors were not asked for.
	Rows   int
}

// Visits hands the visits of a site with from <= timestamp < before (Unix
// seconds) to each, in order of time, each visitor of each second once;
// engagement is left out, as in Traffic.
func (c *Client) Visits(ctx context.Context, site, from, before int64, each func(Visit) error) error {
	query := `SELECT toUInt32(timestamp) AS second, user_id, count() FROM events_v2
WHERE timestamp >= {from:DateTime} AND timestamp < {before:DateTime} AND name != 'engagement'` + among([]int64{site}) + `
GROUP BY second, user_id ORDER BY second`
	parameters := clickhouse.Parameters{"from": seconds(from), "before": seconds(before)}
	var second uint32
	var user, count uint64
	return c.ask(ctx, "the visits of a site", query, parameters, func(rows driver.Rows) error {
		if err := rows.Scan(&second, &user, &count); err != nil {
			return err
		}
		return each(Visit{Second: int64(second), User: user, Rows: int(count)})
	})
}

// CompletionsInOrder hands every bucket of rows with from <= timestamp < before
// (Unix seconds) that may complete goals of the filter to each, in order of
// time. byVisitor tells visitors apart, who are zero otherwise. A bucket is
// valid until the next one.
func (c *Client) CompletionsInOrder(ctx context.Context, f *Filter, from, before int64, byVisitor bool, each func(b *Bucket, user uint64) error) error {
	if f.Empty() {
		return nil
	}
	visitor := "toUInt64(0)"
	if byVisitor {
		visitor = "user_id"
	}
	query := `SELECT site_id, ` + f.columns() + `, toUInt32(timestamp) AS second, ` + visitor + ` AS visitor, count()
FROM events_v2 WHERE timestamp >= {from:DateTime} AND timestamp < {before:DateTime} AND ` + f.where() + `
GROUP BY site_id, goal_name, goal_path, goal_depth, goal_props, second, visitor ORDER BY second`
	parameters := clickhouse.Parameters{"from": seconds(from), "before": seconds(before)}
	var b Bucket
	var site, user, count uint64
	var depth uint8
	var at uint32
	return c.ask(ctx, "the completions of goals", query, parameters, func(rows driver.Rows) error {
		if err := rows.Scan(&site, &b.Name, &b.Path, &depth, &b.Props, &at, &user, &count); err != nil {
			return err
		}
		b.Site, b.Depth, b.Second, b.Rows = int64(site), int(depth), int64(at), int(count)
		return each(&b, user)
	})
}

// Stretch is a stretch of time. Unix seconds, both inclusive.
type Stretch struct{ From, To int64 }

// TopWithin is Top of one site in each of several stretches of the past, in
// their order. At most FewSelections.
func (c *Client) TopWithin(ctx context.Context, site int64, stretches []Stretch) ([]Top, error) {
	tops := make([]Top, len(stretches))
	where := "name != 'engagement'" + among([]int64{site})
	err := c.within(ctx, "top sources and pages of the past", where, ofTraffic, stretches, func(stretch int, by uint8, count Count) {
		if top := &tops[stretch]; by == byPage {
			top.Pages = append(top.Pages, count)
		} else {
			top.Sources = append(top.Sources, count)
		}
	})
	return tops, err
}

// SummariesWithin is the summary of a goal's rows in each of several stretches
// of the past, in their order. At most FewSelections.
func (c *Client) SummariesWithin(ctx context.Context, goal config.Goal, stretches []Stretch) ([]Summary, error) {
	summaries := make([]Summary, len(stretches))
	err := c.within(ctx, "visitors and sources of a goal in the past", matching(goal), ofGoals, stretches, func(stretch int, by uint8, count Count) {
		summaries[stretch].add(by, count)
	})
	return summaries, err
}

// within counts the visitors of the rows of each stretch by their parts.
func (c *Client) within(ctx context.Context, what, where, parts string, stretches []Stretch, each func(stretch int, by uint8, count Count)) error {
	if len(stretches) == 0 {
		return nil
	}
	if len(stretches) > FewSelections {
		return fmt.Errorf("ask ClickHouse for %s: %d stretches of time are more than %d", what, len(stretches), FewSelections)
	}
	inside := make([]string, len(stretches))
	for i, s := range stretches {
		inside[i] = "(timestamp >= toDateTime(" + seconds(s.From) + ") AND timestamp <= toDateTime(" + seconds(s.To) + "))"
	}
	// Most rows lie in none of the stretches: only the others are compared with
	// each of them.
	return c.telling(ctx, what, where+" AND ("+strings.Join(inside, " OR ")+")", parts, inside, each)
}

// matching is the condition for a goal's rows, whenever they were.
func matching(goal config.Goal) string {
	return Selection{Goal: goal, To: math.MaxUint32}.condition()
}
