package stats

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
)

// Now is the time of ClickHouse in Unix seconds.
func (c *Client) Now(ctx context.Context) (int64, error) {
	var now uint32
	found := false
	err := c.ask(ctx, "its time", "SELECT toUInt32(now())", nil, func(rows driver.Rows) error {
		found = true
		return rows.Scan(&now)
	})
	if err == nil && !found {
		err = fmt.Errorf("ask ClickHouse for its time: the answer has no row")
	}
	return int64(now), err
}

// Traffic is what one site had in a window.
type Traffic struct {
	Visitors int
	First    int64 // The oldest timestamp, Unix seconds.
}

// Traffic returns the visitors of each site that had any since from (Unix
// seconds, inclusive): uniq(user_id) over rows other than engagement, as
// Plausible counts current visitors. Nil sites: of every site.
func (c *Client) Traffic(ctx context.Context, from int64, sites []int64) (map[int64]Traffic, error) {
	found := map[int64]Traffic{}
	query := `SELECT site_id, uniq(user_id), toUInt32(min(timestamp)), toUInt32(max(timestamp)) FROM events_v2
WHERE timestamp >= {from:DateTime} AND name != 'engagement'` + among(sites) + ` GROUP BY site_id`
	var site, visitors uint64
	var first, last uint32
	err := c.ask(ctx, "visitors by site", query, clickhouse.Parameters{"from": seconds(from)}, func(rows driver.Rows) error {
		if err := rows.Scan(&site, &visitors, &first, &last); err != nil {
			return err
		}
		c.seen(int64(last))
		found[int64(site)] = Traffic{Visitors: int(visitors), First: int64(first)}
		return nil
	})
	return found, err
}

// Seen tells how many visitors of a site were last seen at each second.
type Seen map[int64]int

// Since is how many visitors were there at a second or later.
func (s Seen) Since(from int64) int {
	visitors := 0
	for at, n := range s {
		if at >= from {
			visitors += n
		}
	}
	return visitors
}

// LastSeen returns when the visitors since from (Unix seconds, inclusive) were
// last seen, for windows that begin at different moments. Sites must be few.
func (c *Client) LastSeen(ctx context.Context, from int64, sites []int64) (map[int64]Seen, error) {
	found := map[int64]Seen{}
	if len(sites) == 0 {
		return found, nil
	}
	query := `SELECT site_id, last, count() FROM (
SELECT site_id, user_id, toUInt32(max(timestamp)) AS last FROM events_v2
WHERE timestamp >= {from:DateTime} AND name != 'engagement'` + among(sites) + ` GROUP BY site_id, user_id)
GROUP BY site_id, last`
	var site, visitors uint64
	var last uint32
	err := c.ask(ctx, "when visitors were last seen", query, clickhouse.Parameters{"from": seconds(from)}, func(rows driver.Rows) error {
		if err := rows.Scan(&site, &last, &visitors); err != nil {
			return err
		}
		if found[int64(site)] == nil {
			found[int64(site)] = Seen{}
		}
		found[int64(site)][int64(last)] = int(visitors)
		return nil
	})
	return found, err
}

// LastEvents returns the newest timestamp of each site in from <= timestamp <
// before (Unix seconds), engagement left out; sites without any are absent.
// Nil sites: of every site.
func (c *Client) LastEvents(ctx context.Context, from, before int64, sites []int64) (map[int64]int64, error) {
	found := map[int64]int64{}
	query := `SELECT site_id, toUInt32(max(timestamp)) FROM events_v2
WHERE timestamp >= {from:DateTime} AND timestamp < {before:DateTime} AND name != 'engagement'` + among(sites) + ` GROUP BY site_id`
	parameters := clickhouse.Parameters{"from": seconds(from), "before": seconds(before)}
	var site uint64
	var last uint32
	err := c.ask(ctx, "the last events of sites", query, parameters, func(rows driver.Rows) error {
		if err := rows.Scan(&site, &last); err != nil {
			return err
		}
		found[int64(site)] = int64(last)
		return nil
	})
	return found, err
}

// Count is a source or page with its visitors.
type Count struct {
	Name     string
	Visitors int
}

// topNames is how many sources and pages an event shows.
const topNames = 3

// Top is what brought the visitors of a site, and what they viewed: those with
// the most visitors, at most three each.
type Top struct {
	Sources []Count // "Direct / None", which is an empty source, is left out.
	Pages   []Count // Viewed ones.
}

// Top answers for the sites in from, each counted since its moment there (Unix
// seconds, inclusive).
func (c *Client) Top(ctx context.Context, from map[int64]int64) (map[int64]Top, error) {
	found := map[int64]Top{}
	if len(from) == 0 {
		return found, nil
	}
	sites := slices.Sorted(maps.Keys(from))
	earliest := slices.Min(slices.Collect(maps.Values(from)))
	query := `SELECT site_id, part.1 AS kind, part.2 AS name_of, uniq(user_id) AS visitors FROM (
SELECT site_id, user_id, arrayJoin([(toUInt8(0), referrer_source), (toUInt8(1), if(name = 'pageview', pathname, ''))]) AS part
FROM events_v2 WHERE timestamp >= {from:DateTime} AND name != 'engagement'` + among(Few(sites)) + later(from, earliest) + `)
WHERE name_of != '' GROUP BY site_id, kind, name_of ORDER BY site_id, kind, visitors DESC, name_of LIMIT ` + fmt.Sprint(topNames) + ` BY site_id, kind`
	var site, visitors uint64
	var page uint8
	var name string
	err := c.ask(ctx, "top sources and pages", query, clickhouse.Parameters{"from": seconds(earliest)}, func(rows driver.Rows) error {
		if err := rows.Scan(&site, &page, &name, &visitors); err != nil {
			return err
		}
		if _, asked := from[int64(site)]; !asked {
			return nil
		}
		top, count := found[int64(site)], Count{Name: name, Visitors: int(visitors)}
		if page == 1 {
			top.Pages = append(top.Pages, count)
		} else {
			top.Sources = append(top.Sources, count)
		}
		found[int64(site)] = top
		return nil
	})
	return found, err
}

// later is the condition for sites that are counted from a moment of their own
// on; they are few, for only a window that a trigger's start or "reset stats"
// cuts is of this kind.
func later(from map[int64]int64, earliest int64) string {
	var sites []int64
	var moments []string
	for _, site := range slices.Sorted(maps.Keys(from)) {
		if from[site] > earliest && len(sites) < manySites {
			sites = append(sites, site)
			moments = append(moments, seconds(from[site]))
		}
	}
	if len(sites) == 0 {
		return ""
	}
	return " AND toUInt32(timestamp) >= transform(site_id, [" + integers(sites) + "], [" + strings.Join(moments, ",") + "], " + seconds(earliest) + ")"
}
