package stats

import (
	"context"
	"fmt"

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
	query := `SELECT site_id, uniq(user_id), toUInt32(min(timestamp)) FROM events_v2
WHERE timestamp >= {from:DateTime} AND name != 'engagement'` + among(sites) + ` GROUP BY site_id`
	err := c.ask(ctx, "visitors by site", query, clickhouse.Parameters{"from": seconds(from)}, func(rows driver.Rows) error {
		var site, visitors uint64
		var first uint32
		if err := rows.Scan(&site, &visitors, &first); err != nil {
			return err
		}
		found[int64(site)] = Traffic{Visitors: int(visitors), First: int64(first)}
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
	err := c.ask(ctx, "the last events of sites", query, parameters, func(rows driver.Rows) error {
		var site uint64
		var last uint32
		if err := rows.Scan(&site, &last); err != nil {
			return err
		}
		found[int64(site)] = int64(last)
		return nil
	})
	return found, err
}
