package stats

import (
	"cmp"
	"context"
	"maps"
	"slices"

	"plausible-webhooks/config"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
)

// summariesHere reads the rows of all selections, each visitor of each second
// once, and counts them in this process.
func (c *Client) summariesHere(ctx context.Context, selections []Selection, summaries []Summary) error {
	f := NewFilter()
	ofSite := map[int64][]config.Goal{}
	ofGoal := map[int64][]*tally{}
	tallies := make([]tally, len(selections))
	from, to := selections[0].From, selections[0].To
	for i, s := range selections {
		from, to = min(from, s.From), max(to, s.To)
		tallies[i] = tally{from: s.From, to: s.To, sources: map[string]*visitors{}}
		if ofGoal[s.Goal.ID] == nil {
			f.Add(&s.Goal)
			ofSite[s.Goal.SiteID] = append(ofSite[s.Goal.SiteID], s.Goal)
		}
		ofGoal[s.Goal.ID] = append(ofGoal[s.Goal.ID], &tallies[i])
	}
	matchers := make(map[int64]*Matcher, len(ofSite))
	for site, goals := range ofSite {
		matchers[site] = NewMatcher(goals)
	}
	query := `SELECT site_id, ` + f.columns() + `, toUInt32(timestamp) AS second, referrer_source, user_id
FROM events_v2 WHERE timestamp >= {from:DateTime} AND timestamp <= {to:DateTime} AND ` + f.where() + `
GROUP BY site_id, goal_name, goal_path, goal_depth, goal_props, second, referrer_source, user_id`
	var b Bucket
	var site, user uint64
	var depth uint8
	var second uint32
	var source string
	parameters := clickhouse.Parameters{"from": seconds(from), "to": seconds(to)}
	err := c.ask(ctx, "visitors and sources of many goals", query, parameters, func(rows driver.Rows) error {
		if err := rows.Scan(&site, &b.Name, &b.Path, &depth, &b.Props, &second, &source, &user); err != nil {
			return err
		}
		b.Site, b.Depth = int64(site), int(depth)
		m := matchers[b.Site]
		if m == nil {
			return nil
		}
		m.Match(f, &b, func(goal int64) {
			for _, t := range ofGoal[goal] {
				t.add(int64(second), source, user)
			}
		})
		return nil
	})
	if err != nil {
		return err
	}
	for i := range tallies {
		summaries[i] = tallies[i].summary()
	}
	return nil
}

// tally gathers the visitors of a selection.
type tally struct {
	from, to int64
	all      visitors
	sources  map[string]*visitors
}

func (t *tally) add(second int64, source string, user uint64) {
	if second < t.from || second > t.to {
		return
	}
	t.all.add(user)
	if source == "" {
		return
	}
	if t.sources[source] == nil {
		t.sources[source] = &visitors{}
	}
	t.sources[source].add(user)
}

func (t *tally) summary() Summary {
	s := Summary{Visitors: t.all.count()}
	for _, name := range slices.Sorted(maps.Keys(t.sources)) {
		s.Sources = append(s.Sources, Count{name, t.sources[name].count()})
	}
	slices.SortStableFunc(s.Sources, func(a, b Count) int { return cmp.Compare(b.Visitors, a.Visitors) })
	s.Sources = s.Sources[:min(len(s.Sources), topNames)]
	return s
}

// mostVisitors is how many visitors are told apart exactly; as in ClickHouse's
// uniq, every second hash is dropped whenever there are more, and the rest
// stands for all. It bounds memory at about a megabyte.
const mostVisitors = 1 << 16

// visitors counts different visitors.
type visitors struct {
	hashes  map[uint64]struct{}
	dropped uint // Of each 2^dropped hashes one is kept.
}

func (v *visitors) add(user uint64) {
	hash := mix(user)
	if hash&(1<<v.dropped-1) != 0 {
		return
	}
	if v.hashes == nil {
		v.hashes = map[uint64]struct{}{}
	}
	v.hashes[hash] = struct{}{}
	for len(v.hashes) > mostVisitors {
		v.dropped++
		maps.DeleteFunc(v.hashes, func(hash uint64, _ struct{}) bool { return hash&(1<<v.dropped-1) != 0 })
	}
}

func (v *visitors) count() int { return len(v.hashes) << v.dropped }

// mix spreads a value over all bits (the finalizer of MurmurHash3), one to one.
func mix(x uint64) uint64 {
	x ^= x >> 33
	x *= 0xff51afd7ed558ccd
	x ^= x >> 33
	x *= 0xc4ceb9fe1a85ec53
	return x ^ x>>33
}
