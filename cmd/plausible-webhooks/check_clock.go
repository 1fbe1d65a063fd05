package main

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
)

// clockTolerance is how far apart clocks may be. Evaluation has the time of
// ClickHouse alone and the queue that of PostgreSQL; more than seconds matters to
// goals, which count from a time that PostgreSQL gave them, and to receivers, which
// refuse a signature whose time is five minutes off.
const clockTolerance = 5 * time.Second

// clocks collects how far others' clocks are ahead of ours.
type clocks struct{ readings []reading }

type reading struct {
	name  string
	ahead time.Duration
}

// note takes a time that was told between two of ours.
func (c *clocks) note(name string, before, told, after time.Time) {
	c.readings = append(c.readings, reading{name, told.Sub(before.Add(after.Sub(before) / 2))})
}

func (c *clocks) askPostgres(ctx context.Context, conn *pgx.Conn) {
	var told time.Time
	before := time.Now()
	if err := conn.QueryRow(ctx, "select clock_timestamp()").Scan(&told); err == nil { // Else others have said so.
		c.note("PostgreSQL", before, told, time.Now())
	}
}

func (c *clocks) check() []finding {
	const name = "clocks"
	if len(c.readings) == 0 {
		return nil
	}
	all := append([]reading{{name: "this machine"}}, c.readings...)
	first, last := all[0], all[0]
	for _, r := range all {
		if r.ahead < first.ahead {
			first = r
		}
		if r.ahead > last.ahead {
			last = r
		}
	}
	apart := last.ahead - first.ahead
	if apart <= clockTolerance {
		return []finding{ok(name, "within %s of each other", max(apart, time.Millisecond).Round(time.Millisecond))}
	}
	return []finding{warning(name, fmt.Sprintf("that of %s is %s ahead of that of %s", last.name, apart.Round(time.Second), first.name),
		"set both by NTP: timedatectl set-ntp true")}
}
