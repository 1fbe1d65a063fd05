package stats

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"plausible-webhooks/config"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
)

// Selection is a set of rows of one site: those of a goal, or its traffic.
type Selection struct {
	Site     int64
	From, To int64        // Unix seconds, both inclusive; To zero: no upper bound.
	Goal     *config.Goal // Nil: every row but engagement, as traffic is counted.
}

// Count is a source or page with its visitors.
type Count struct {
	Name     string
	Visitors int
}

// topNames is how many sources and pages an event shows.
const topNames = 3

// Visitors returns uniq(user_id) of each selection, in order.
func (c *Client) Visitors(ctx context.Context, selections []Selection) ([]int, error) {
	visitors := make([]int, len(selections))
	err := c.perSelection(ctx, "visitors", selections, "''", "", func(i int, count Count) { visitors[i] = count.Visitors })
	return visitors, err
}

// TopSources returns the sources with the most visitors of each selection, in
// order; "Direct / None", which is an empty source, is left out.
func (c *Client) TopSources(ctx context.Context, selections []Selection) ([][]Count, error) {
	return c.top(ctx, "top sources", selections, "referrer_source", " AND referrer_source != ''")
}

// TopPages returns the viewed pages with the most visitors of each selection,
// in order.
func (c *Client) TopPages(ctx context.Context, selections []Selection) ([][]Count, error) {
	return c.top(ctx, "top pages", selections, "pathname", " AND name = 'pageview'")
}

func (c *Client) top(ctx context.Context, what string, selections []Selection, column, only string) ([][]Count, error) {
	top := make([][]Count, len(selections))
	err := c.perSelection(ctx, what, selections, column, only, func(i int, count Count) { top[i] = append(top[i], count) })
	return top, err
}

// A query stays far below max_query_size (256 KiB by default), and a row is
// not compared with too many conditions.
const (
	batchSelections = 100
	batchBytes      = 96 << 10
)

func (c *Client) perSelection(ctx context.Context, what string, selections []Selection, column, only string, each func(int, Count)) error {
	once, places := distinct(selections)
	for start := 0; start < len(once); {
		var conditions []string
		for length := 0; start+len(conditions) < len(once) && len(conditions) < batchSelections; {
			condition := once[start+len(conditions)].condition()
			if length += len(condition); length > batchBytes && len(conditions) > 0 {
				break
			}
			conditions = append(conditions, condition)
		}
		batch := once[start : start+len(conditions)]
		if err := c.batch(ctx, what, batch, conditions, column, only, func(i int, count Count) {
			for _, place := range places[start+i] {
				each(place, count)
			}
		}); err != nil {
			return err
		}
		start += len(batch)
	}
	return nil
}

// distinct leaves each selection once, and tells at which places it stood:
// several webhooks often wait for the same goal.
func distinct(selections []Selection) (once []Selection, places [][]int) {
	found := make(map[Selection]int, len(selections))
	for place, s := range selections {
		i, known := found[s]
		if !known {
			i = len(once)
			found[s] = i
			once, places = append(once, s), append(places, nil)
		}
		places[i] = append(places[i], place)
	}
	return once, places
}

// batch reads the rows of all selections once and lets each row count for
// every selection that it belongs to.
func (c *Client) batch(ctx context.Context, what string, selections []Selection, conditions []string, column, only string, each func(int, Count)) error {
	query := `SELECT toUInt32(selection), part, uniq(user_id) AS visitors FROM (
SELECT user_id, ` + column + ` AS part,
arrayJoin(arrayFilter((i, hit) -> hit, range(toUInt64(` + strconv.Itoa(len(conditions)) + `)), [` + strings.Join(conditions, ",\n") + `])) AS selection
FROM events_v2 WHERE ` + bounds(selections) + only + `)
GROUP BY selection, part ORDER BY selection, visitors DESC, part LIMIT ` + strconv.Itoa(topNames) + ` BY selection`
	return c.ask(ctx, what, query, nil, func(rows driver.Rows) error {
		var selection uint32
		var visitors uint64
		var name string
		if err := rows.Scan(&selection, &name, &visitors); err != nil {
			return err
		}
		if int(selection) >= len(selections) {
			return fmt.Errorf("answer names selection %d of %d", selection, len(selections))
		}
		each(int(selection), Count{Name: name, Visitors: int(visitors)})
		return nil
	})
}

// bounds lets the primary key and the partitions work for a whole batch.
func bounds(selections []Selection) string {
	sites := map[int64]bool{}
	from, to := selections[0].From, selections[0].To
	for _, s := range selections {
		sites[s.Site] = true
		from = min(from, s.From)
		if s.To == 0 || to == 0 {
			to = 0
		} else {
			to = max(to, s.To)
		}
	}
	bounds := "site_id IN (" + integers(slices.Sorted(maps.Keys(sites))) + ") AND timestamp >= toDateTime(" + seconds(from) + ")"
	if to != 0 {
		bounds += " AND timestamp <= toDateTime(" + seconds(to) + ")"
	}
	return bounds
}

// condition is Plausible's condition for a goal's rows, within the selection's
// site and times (lib/plausible/stats/goals.ex).
func (s Selection) condition() string {
	parts := []string{"site_id = " + strconv.FormatInt(s.Site, 10), "timestamp >= toDateTime(" + seconds(s.From) + ")"}
	if s.To != 0 {
		parts = append(parts, "timestamp <= toDateTime("+seconds(s.To)+")")
	}
	switch g := s.Goal; {
	case g == nil:
		parts = append(parts, "name != 'engagement'")
	case g.Kind() == config.GoalEvent:
		parts = append(parts, "name = "+text(g.EventName))
	case g.Kind() == config.GoalPage:
		parts = append(parts, "name = 'pageview'", onPath(g.PagePath))
	default:
		parts = append(parts, "name = 'engagement'", onPath(g.PagePath), "scroll_depth <= 100", "scroll_depth >= "+strconv.Itoa(g.ScrollThreshold))
	}
	if s.Goal != nil {
		for _, key := range slices.Sorted(maps.Keys(s.Goal.CustomProps)) {
			parts = append(parts, prop(key)+" = "+text(s.Goal.CustomProps[key]))
		}
	}
	return strings.Join(parts, " AND ")
}

func onPath(path string) string {
	if pattern, wildcard := PathPattern(path); wildcard {
		return "match(pathname, " + text(pattern) + ")"
	}
	return "pathname = " + text(path)
}
