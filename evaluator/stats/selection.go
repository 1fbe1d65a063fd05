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

// Selection is the rows of a goal in a stretch of time.
type Selection struct {
	Goal     config.Goal
	From, To int64 // Unix seconds, both inclusive.
}

// Summary is what is told of a selection.
type Summary struct {
	Visitors int     // uniq(user_id).
	Sources  []Count // The three with the most visitors, "Direct / None" left out.
}

// FewSelections is how many selections ClickHouse tells apart itself. Each row
// is compared with all of them; with more, the rows come here, where they are
// found by site and name. Then their number matters.
const FewSelections = 100

// batchBytes keeps a query far below max_query_size, 256 KiB by default.
const batchBytes = 160 << 10

// Summaries returns the visitors and top sources of each selection, in order,
// with one query.
func (c *Client) Summaries(ctx context.Context, selections []Selection) ([]Summary, error) {
	once, places := distinct(selections)
	var conditions []string
	length := 0
	for i := range once[:min(len(once), FewSelections)] {
		condition := once[i].condition()
		conditions, length = append(conditions, condition), length+len(condition)
	}
	summaries := make([]Summary, len(once))
	var err error
	switch {
	case len(once) == 0:
	case len(once) <= FewSelections && length <= batchBytes:
		err = c.summariesThere(ctx, once, conditions, summaries)
	default:
		err = c.summariesHere(ctx, once, summaries)
	}
	if err != nil {
		return nil, err
	}
	all := make([]Summary, len(selections))
	for i, place := range places {
		all[i] = summaries[place]
	}
	return all, nil
}

// distinct leaves each selection once, and tells where each is found: several
// webhooks often wait for the same goal.
func distinct(selections []Selection) (once []Selection, places []int) {
	type key struct{ goal, from, to int64 }
	found := make(map[key]int, len(selections))
	for _, s := range selections {
		k := key{s.Goal.ID, s.From, s.To}
		place, known := found[k]
		if !known {
			place = len(once)
			found[k], once = place, append(once, s)
		}
		places = append(places, place)
	}
	return once, places
}

// What rows of a selection are counted by.
const (
	byAll    = 0 // Nothing: all of them.
	bySource = 1
	byPage   = 2
)

// summariesThere lets ClickHouse tell the selections apart.
func (c *Client) summariesThere(ctx context.Context, selections []Selection, conditions []string, summaries []Summary) error {
	return c.telling(ctx, "visitors and sources of goals", bounds(selections), ofGoals, conditions, func(selection int, by uint8, count Count) {
		summaries[selection].add(by, count)
	})
}

func (s *Summary) add(by uint8, count Count) {
	if by == byAll {
		s.Visitors = count.Visitors
	} else {
		s.Sources = append(s.Sources, count)
	}
}

// The parts that rows of goals and of traffic are counted by.
var (
	ofGoals   = fmt.Sprintf("(toUInt8(%d), ''), (toUInt8(%d), referrer_source)", byAll, bySource)
	ofTraffic = fmt.Sprintf("(toUInt8(%d), referrer_source), (toUInt8(%d), if(name = 'pageview', pathname, ''))", bySource, byPage)
)

// telling reads the rows of all selections once and lets each row count for
// every selection whose condition it meets, by each of its parts: pairs of what
// it is counted by and a name, which is empty where it has none. Of each
// kind come the few with the most visitors.
func (c *Client) telling(ctx context.Context, what, where, parts string, conditions []string, each func(selection int, by uint8, count Count)) error {
	query := `SELECT toUInt32(selection), part.1 AS kind, part.2 AS name_of, uniq(user_id) AS visitors FROM (
SELECT user_id, arrayJoin([` + parts + `]) AS part,
arrayJoin(arrayFilter((i, hit) -> hit, range(toUInt64(` + strconv.Itoa(len(conditions)) + `)), [` + strings.Join(conditions, ",\n") + `])) AS selection
FROM events_v2 WHERE ` + where + `)
WHERE kind = ` + strconv.Itoa(byAll) + ` OR name_of != '' GROUP BY selection, kind, name_of
ORDER BY selection, kind, visitors DESC, name_of LIMIT ` + strconv.Itoa(topNames) + ` BY selection, kind`
	var selection uint32
	var by uint8
	var name string
	var visitors uint64
	return c.ask(ctx, what, query, nil, func(rows driver.Rows) error {
		if err := rows.Scan(&selection, &by, &name, &visitors); err != nil {
			return err
		}
		if int(selection) >= len(conditions) {
			return fmt.Errorf("answer names selection %d of %d", selection, len(conditions))
		}
		each(int(selection), by, Count{Name: name, Visitors: int(visitors)})
		return nil
	})
}

// bounds lets the primary key and the partitions work for a whole batch.
func bounds(selections []Selection) string {
	var sites idList
	from, to := selections[0].From, selections[0].To
	for _, s := range selections {
		sites.add(s.Goal.SiteID)
		from, to = min(from, s.From), max(to, s.To)
	}
	return "timestamp >= toDateTime(" + seconds(from) + ") AND timestamp <= toDateTime(" + seconds(to) + ")" + sites.among()
}

// condition is Plausible's condition for a goal's rows, within the selection's
// times (lib/plausible/stats/goals.ex).
func (s Selection) condition() string {
	g := s.Goal
	parts := []string{
		"site_id = " + strconv.FormatInt(g.SiteID, 10),
		"timestamp >= toDateTime(" + seconds(s.From) + ")", "timestamp <= toDateTime(" + seconds(s.To) + ")",
	}
	switch g.Kind() {
	case config.GoalEvent:
		parts = append(parts, "name = "+text(g.EventName))
	case config.GoalPage:
		parts = append(parts, "name = 'pageview'", onPath(g.PagePath))
	default:
		parts = append(parts, "name = 'engagement'", onPath(g.PagePath), "scroll_depth <= 100", "scroll_depth >= "+strconv.Itoa(g.ScrollThreshold))
	}
	for _, key := range slices.Sorted(maps.Keys(g.CustomProps)) {
		parts = append(parts, prop(key)+" = "+text(g.CustomProps[key]))
	}
	return strings.Join(parts, " AND ")
}

func onPath(path string) string {
	if pattern, wildcard := pathPattern(path); wildcard {
		return "match(pathname, " + text(pattern) + ")"
	}
	return "pathname = " + text(path)
}
