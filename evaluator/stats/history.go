package stats

import (
	"context"
	"fmt"
	"math"
	"strconv"
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

// What rows within a stretch are counted by.
const (
	byAll    = 0 // Nothing: all of them.
	bySource = 1
	byPage   = 2
)

// TopWithin is Top of one site in each of several stretches of the past, in
// their order. At most FewSelections.
func (c *Client) TopWithin(ctx context.Context, site int64, stretches []Stretch) ([]Top, error) {
	tops := make([]Top, len(stretches))
	where := "name != 'engagement'" + among([]int64{site})
	parts := fmt.Sprintf("(toUInt8(%d), referrer_source), (toUInt8(%d), if(name = 'pageview', pathname, ''))", bySource, byPage)
	err := c.within(ctx, "top sources and pages of the past", where, parts, stretches, func(stretch int, by uint8, count Count) {
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
	parts := fmt.Sprintf("(toUInt8(%d), ''), (toUInt8(%d), referrer_source)", byAll, bySource)
	err := c.within(ctx, "visitors and sources of a goal in the past", matching(goal), parts, stretches, func(stretch int, by uint8, count Count) {
		if s := &summaries[stretch]; by == byAll {
			s.Visitors = count.Visitors
		} else {
			s.Sources = append(s.Sources, count)
		}
	})
	return summaries, err
}

// within counts the visitors of the rows of each stretch by the parts that each
// row has: pairs of what it is counted by and a name, which is empty where it
// has none. Of each kind come the few with the most visitors.
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
	query := `SELECT toUInt32(stretch), part.1 AS kind, part.2 AS name_of, uniq(user_id) AS visitors FROM (
SELECT user_id, arrayJoin([` + parts + `]) AS part,
arrayJoin(arrayFilter((i, hit) -> hit, range(toUInt64(` + strconv.Itoa(len(inside)) + `)), [` + strings.Join(inside, ",\n") + `])) AS stretch
FROM events_v2 WHERE ` + where + ` AND (` + strings.Join(inside, " OR ") + `))
WHERE kind = ` + strconv.Itoa(byAll) + ` OR name_of != '' GROUP BY stretch, kind, name_of
ORDER BY stretch, kind, visitors DESC, name_of LIMIT ` + strconv.Itoa(topNames) + ` BY stretch, kind`
	var stretch uint32
	var by uint8
	var name string
	var visitors uint64
	return c.ask(ctx, what, query, nil, func(rows driver.Rows) error {
		if err := rows.Scan(&stretch, &by, &name, &visitors); err != nil {
			return err
		}
		if int(stretch) >= len(stretches) {
			return fmt.Errorf("answer names stretch %d of %d", stretch, len(stretches))
		}
		each(int(stretch), by, Count{Name: name, Visitors: int(visitors)})
		return nil
	})
}

// matching is the condition for a goal's rows, whenever they were.
func matching(goal config.Goal) string {
	return Selection{Goal: goal, To: math.MaxUint32}.condition()
}
